"""The parameters of the query, held to what the OpenAPI document says of them."""

from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import Parameter
from authz.protocol.numbers import MAXIMUM, number
from authz.protocol.timestamps import parse_time

TIME = "is a time with its zone, such as 2026-12-31T18:00:00Z"


def check(name: str, given: str | Parameter, value: str) -> None:
    """Raises `Problem` for a value of another shape."""
    if isinstance(given, str):
        return
    shape = given.shape
    if shape.get("type") == "boolean" and value not in {"true", "false"}:
        raise Problem(400, f"{name} is true or false.")
    if shape.get("type") == "integer":
        least, most = shape.get("minimum", 0), shape.get("maximum", MAXIMUM)
        if number(value, least=least, most=most) is None:
            raise Problem(400, f"{name} is a number{f' from {least} to {most}' if most < MAXIMUM else ''}.")
    if "enum" in shape and value not in shape["enum"]:
        raise invalid(name, f"is one of {', '.join(shape['enum'])}")
    if shape.get("format") == "date-time" and parse_time(value) is None:
        raise invalid(name, TIME)
    if len(value) > shape.get("maxLength", len(value)):
        raise Problem(400, f"{name} has at most {shape['maxLength']} characters.")
