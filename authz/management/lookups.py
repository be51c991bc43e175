"""What a command's arguments name: found, or refused with the name that was probably meant. Raises `CommandError`."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from django.core.management.base import CommandError

from authz import registry
from authz.models import Client, ProtectedResource, User
from authz.policy import near_miss
from authz.policy.tool_calls import is_tool_name
from authz.protocol.scope_names import IDENTITY_SCOPES


def agent(client_id: str) -> Client:
    found = Client.objects.select_related("owner", "successor", "approved_by").filter(client_id=client_id).first()
    if found is None:
        near = near_miss.nearest(client_id, _first(Client.objects.values_list("client_id", flat=True)))
        raise CommandError(f"No agent has the client_id {client_id!r}.{near_miss.did_you_mean(near)}")
    return found


def person(username: str, *, active: bool = True) -> User:
    rows = User.objects.filter(is_active=True) if active else User.objects.all()
    found = rows.filter(username=username).first()
    if found is None:
        near = near_miss.nearest(username, _first(User.objects.values_list("username", flat=True)))
        raise CommandError(f"There is no person {username!r}.{near_miss.did_you_mean(near)}")
    return found


def server(identifier: str, *, may_be_unknown: bool = False) -> ProtectedResource | None:
    """With `may_be_unknown` None for one that is like none that there is: the question is then what is answered."""
    found = ProtectedResource.objects.prefetch_related("scopes").filter(identifier=identifier).first()
    if found is not None:
        return found
    near = near_miss.nearest_address(identifier, _first(ProtectedResource.objects.values_list("identifier", flat=True)))
    if may_be_unknown and not near:
        return None
    raise CommandError(f"No MCP server has the identifier {identifier!r}.{near_miss.did_you_mean(near)}")


def scopes(names: list[str], at: ProtectedResource) -> list[str]:
    """Scopes of an MCP server, or of this server itself."""
    known = [scope.name for scope in at.scopes.all()]
    for name in names:
        if name not in known and name not in IDENTITY_SCOPES:
            near = near_miss.did_you_mean(near_miss.nearest(name, known))
            there = f" There are {', '.join(known)}." if known else " It has none."
            raise CommandError(f"{at.identifier} has no scope {name!r}.{near or there}")
    return names


def grant_type(name: str) -> str:
    known = list(registry.grants())
    if name not in known:
        near = near_miss.did_you_mean(near_miss.nearest(name, known))
        there = f" There are {', '.join(known)}."
        raise CommandError(f"There is no grant type {name!r}.{near or there}")
    return name


def address(text: str) -> str:
    """An IP address in its usual form; "" stays ""."""
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        raise CommandError(f"{text!r} is not an IP address, such as 192.0.2.7 or 2001:db8::7.") from None


def tool(name: str) -> str:
    """A tool's exact name; "" for none. A pattern stands in rules, and no call is of several tools."""
    if name and not is_tool_name(name):
        kind = "a pattern, and a call is of one tool: give its name" if "*" in name else "no tool’s name"
        raise CommandError(f"{name!r} is {kind} (letters, digits and “_”, “-”, “.”, “/”).")
    return name


def whole(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number, `least` at least."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or len(text) > 15 or int(text) < least:
            raise ArgumentTypeError(f"must be a whole number, {least} at least, not {text[:60]!r}")
        return int(text)

    return read


def all_of(*looks: Callable[[], Any]) -> list[Any]:
    """What each of them finds. Raises `CommandError` with all that they refuse, a line each."""
    found, refused = [], []
    for look in looks:
        try:
            found.append(look())
        except CommandError as problem:
            refused.append(str(problem))
    if refused:
        raise CommandError("\n".join(refused))
    return found


def _first(names: Any) -> list[str]:
    return list(names[: near_miss.MAXIMUM_COMPARED])
