"""`/configuration`: the whole configuration at once, like `manage.py export` and `apply`."""

from collections.abc import Sequence
from typing import Any

from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.approval_permission import not_ones_own
from authz.api.framework.etags import check, etag
from authz.api.framework.problems import Problem
from authz.api.framework.shapes import CHANGES, CONFIGURATION, is_true
from authz.api.framework.view import ApiView, principal_of
from authz.configuration import ConfigurationError, LeftOut, Mistake, RuleWarning, apply, export
from authz.configuration.sections import exported
from authz.database.transactions import long_statements
from authz.sign_in.roles import CONFIGURE

MAXIMUM_FILE = 4 * 1024 * 1024
EXPORT = "authz.view_configuration"


class Text(BaseParser):
    """The unparsed file: `apply` parses it, so that an error names its line."""

    media_type = "application/yaml"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return str(stream.read().decode("utf-8"))
        except UnicodeDecodeError:
            raise Problem(400, "The body is not UTF-8.") from None


class JsonText(Text):
    media_type = "application/json"


class Yaml(BaseRenderer):
    media_type = "application/yaml"  # RFC 9512
    format = "yaml"

    def render(self, data: Any, media_type: str | None = None, context: Any = None) -> bytes:
        return str(data).encode()


class Configuration(ApiView):
    requires = {"GET": EXPORT, "POST": CONFIGURE}
    query = {
        "POST": {
            "dry_run": is_true("show what would change, and change nothing."),
            "prune": is_true("remove what the file's sections do not name."),
            "prune_all": is_true(
                "with prune, also of a section that says nothing, all people, or the last administrator."
            ),
            "strict": is_true("refuse the file where a rule names what does not exist."),
            "all_warnings": is_true("warn of rules that the file neither has nor breaks, too."),
        }
    }
    takes = {"POST": CONFIGURATION}
    answers = {"GET": CONFIGURATION, "POST": CHANGES}
    maximum_body = MAXIMUM_FILE
    parser_classes = (Text, JsonText)
    renderer_classes = (JSONRenderer, Yaml)

    def get(self, request: Request) -> Response:
        """The current configuration, without secrets. Applying it changes nothing."""
        data = exported()
        is_yaml = getattr(request.accepted_renderer, "format", "") == "yaml"
        return Response(export() if is_yaml else data, headers={"ETag": etag(data)})

    def post(self, request: Request) -> Response:
        """Apply the body, all of it or nothing. Returns the changes. Raises `Problem`."""
        given = self.given
        text = request.data
        if not isinstance(text, str):
            raise Problem(400, "The body must be the configuration file.")
        if request.META.get("HTTP_IF_MATCH"):
            check(request, exported())
        warned: list[RuleWarning] = []
        left_out = LeftOut()
        with long_statements():
            changes = apply(
                text,
                prune=switch(given, "prune"),
                prune_all=switch(given, "prune_all") or switch(given, "dry_run"),
                dry_run=switch(given, "dry_run"),
                by=principal_of(request).by,
                permit=not_ones_own(request),
                warn=refuse if switch(given, "strict") else warned.extend,
                warn_of_all=switch(given, "all_warnings"),
                left_out=left_out,
                local=False,
            )
        # Always JSON, also for a YAML file.
        request.accepted_renderer = JSONRenderer()
        request.accepted_media_type = "application/json"
        warnings = {"warnings": [warning.as_item() for warning in warned]} if warned else {}
        changed = [change.as_item() for change in changes]
        stays = {"left_out": left_out.as_item()} if left_out.lines() else {}
        return Response({"applied": not switch(given, "dry_run"), "changes": changed, **warnings, **stays})


def refuse(found: Sequence[RuleWarning]) -> None:
    """For `strict`: the first rule that names something that does not exist is the error, with the others beside it.
    The function raises `ConfigurationError`.
    """
    mistakes = [
        Mistake(("rules", warning.rule, part.field), part.problem, line)
        for warning in found
        for line, part in warning.parts
    ]
    if mistakes:
        raise ConfigurationError(*mistakes[0], also=mistakes[1:])


def switch(given: dict[str, str], name: str) -> bool:
    """A parameter of the query that is true or false; false by default. Raises `Problem`."""
    value = given.get(name, "false")
    if value not in {"true", "false"}:
        raise Problem(400, f"{name} is true or false.")
    return value == "true"
