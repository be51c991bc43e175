"""No client has the name of a person, resource or issuer, and none of these gets a client's (docs/threats.md, 37c).

Apps name what bears an identifier of theirs in `IDENTIFIERS` of their AppConfig: dotted names of functions that say
what it is, such as “a trusted issuer”, or "" if it is nothing of theirs.
"""

from collections.abc import Callable, Iterator

from django.apps import apps
from django.db.models import Q
from django.utils.module_loading import import_string

from authz.conf import conf
from authz.models import Client, ProtectedResource
from authz.protocol.identifiers import compared, is_like_a_subject

# What our own audience is taken for (OpenID Connect Core §9 lets assertions name an endpoint).
ENDPOINTS = ("authorize", "token", "introspect", "revoke", "register", "jwks", "userinfo")
# The `client_id` and `sub` of tokens with which an MCP server's protection is checked (docs/decisions/0097).
PROTECTION_CHECK = "protection-check"


def client_id_problem(client_id: str) -> str:
    """Why no new client may have this id, as the end of a sentence; "" if one may."""
    if is_like_a_subject(client_id):
        return "looks like a person's subject (a UUID), which machines' tokens must not carry"
    bearer = next((found for look in _bearers() if (found := look(client_id))), "")
    return f"is the identifier of {bearer}" if bearer else ""


def is_client_id(identifier: str) -> bool:
    """Whether a client has this id, so that nothing new may."""
    return Client.all_objects.filter(spelt("client_id", identifier)).exists()


def spelt(column: str, identifier: str) -> Q:
    """The rows whose column is that identifier, however it is spelt."""
    plain = compared(identifier)
    return Q(**{f"{column}__iexact": plain}) | Q(**{f"{column}__iexact": f"{plain}/"})


def mistaken_clients() -> Iterator[tuple[str, str]]:
    """Clients that are there and could not be made any more: (client_id, what is wrong with the id)."""
    for client_id in Client.objects.order_by("pk").values_list("client_id", flat=True).iterator():
        if problem := client_id_problem(client_id):
            yield client_id, problem


def of_the_core(identifier: str) -> str:
    """What of the core's bears it."""
    plain = compared(identifier)
    if plain in {compared(conf.issuer), *(compared(conf.endpoint(name)) for name in ENDPOINTS)}:
        return "this authorization server or an endpoint of it"
    if plain == PROTECTION_CHECK:
        return "the check of MCP servers"
    if ProtectedResource.all_objects.filter(spelt("identifier", identifier)).exists():
        return "an MCP server"
    return ""


def _bearers() -> Iterator[Callable[[str], str]]:
    for app in apps.get_app_configs():
        for dotted in getattr(app, "IDENTIFIERS", ()):
            yield import_string(dotted)
