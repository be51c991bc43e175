"""`/extensions`: an organisation's own extensions, like `extensions list`."""

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.shapes import ANY, SWITCH, TEXT, TEXTS, a_list, mapping, one_of
from authz.api.framework.view import ApiView
from authz.extensions.listing import STATES, listed
from authz.sign_in.roles import SEE_EXTENSIONS

FAULT = mapping(time=TEXT, part=TEXT, problem=TEXT)
EXTENSION = mapping(
    id=TEXT,
    package=TEXT,
    version=TEXT,
    enabled=SWITCH,
    state=one_of(STATES),
    because=TEXT,
    title=TEXT,
    brings=TEXTS,
    settings=ANY,
    resources=TEXTS,
    last_fault={"anyOf": [FAULT, {"type": "null"}]},
)


class Extensions(ApiView):
    requires = {"GET": SEE_EXTENSIONS}
    answers = {"GET": mapping(items=a_list(EXTENSION))}

    def get(self, request: Request) -> Response:
        """All extensions that are installed or that the configuration names. They are switched by the configuration."""
        return Response({"items": [extension.as_item() for extension in listed()]})
