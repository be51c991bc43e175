"""What a value of YAML or JSON is, in words, for the sentence that refuses it. Pure."""

_SHOWN = 60
_SWITCHES = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def called(value: object) -> str:
    """Such as: the text “false”, the number 7, a list."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {str(value)[:_SHOWN]}"
    if isinstance(value, str):
        return f"the text “{value[:_SHOWN]}{'…' if len(value) > _SHOWN else ''}”"
    return "a mapping" if isinstance(value, dict) else "a list"


def not_this(value: object) -> str:
    """“, not …”, to stand after what a member must be."""
    return f", not {called(value)}"


def remedy(wanted: str, value: object) -> str:
    """How a value of another type is probably to be written, “: …”; "" where that is not known.

    wanted  what it must be: text, true or false, a whole number, a list.
    """
    if wanted == "text" and isinstance(value, bool):
        return ": write it in quotes (without them YAML reads yes, no, on and off as true and false)"
    if wanted == "text" and isinstance(value, int | float):
        return ": write it in quotes"
    if not isinstance(value, str):
        return ""
    if wanted == "true or false" and (switch := _SWITCHES.get(value.lower())):
        return f": write {switch}, without quotes"
    if wanted == "a whole number" and value.isdecimal():
        return ": write it without quotes"
    return ": put it in brackets, as in [a, b]" if wanted == "a list" else ""


def refusal(wanted: str, value: object, *, is_secret: bool = False) -> str:
    """The sentence without a full stop: must be true or false, not the text “no”: write false, without quotes."""
    if is_secret and isinstance(value, int | float | str) and not isinstance(value, bool):
        return f"must be {wanted}, not {'a text' if isinstance(value, str) else 'a number'}{remedy(wanted, value)}"
    return f"must be {wanted}{not_this(value)}{remedy(wanted, value)}"
