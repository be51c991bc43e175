"""The sockets of the server, and what settings plug into them.

A part is a module of the right shape: no base class, no registration call. `GATEHOUSE` in settings.py lists the parts,
as `MIDDLEWARE` does, and the metadata is computed from the same lists, so it cannot claim what is not plugged in.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from django.core.signals import setting_changed
from django.db.models import Q
from django.urls import URLPattern

from authz.conf import conf
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.protocol.explanations import Explanation

if TYPE_CHECKING:
    from authz.models import Authorization, Client, Deferral, ProtectedResource, User
    from authz.policy import Agent, Server


# The token_endpoint_auth_method of public clients (RFC 7591 §2), which proves nothing.
PUBLIC = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A token request whose client is known: what a grant is given. `now` is seconds since the epoch.

    `deferral` is what a request was kept in that is judged once more (authz/tokens/deferrals.py). A grant that can be
    deferred redeems it in place of claiming what it uses up, and judges what it is presented as of `arrived`.
    """

    client: "Client"
    auth_method: str
    params: Mapping[str, str]
    now: float
    address: str = ""
    deferral: "Deferral | None" = None

    @property
    def arrived(self) -> float:
        """Seconds since the epoch."""
        return self.deferral.arrived.timestamp() if self.deferral else self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """What a grant has just issued, for extensions that add to the response (such as an ID token)."""

    client: "Client"
    user: "User"
    authorization: "Authorization"
    resource: "ProtectedResource | None"
    identity_scopes: Sequence[str]
    access_token: str
    nonce: str
    now: float


class Grant(Protocol):
    """A grant type (RFC 6749 §1.3). `redeem` returns the response's JSON object or raises `OAuthError`."""

    GRANT_TYPE: str

    # A grant may have `client_id(params) -> str | None` too: whose client a request stands for that names none.
    # One whose requests can be answered later has `single_use(request) -> SingleUse | None` too: what it uses up
    # (authz/tokens/deferrals.py).
    # One that leads to what stands behind other authorization servers, and only there, has
    # `servers(agents) -> Sequence[Server]` too: what it leads to, and whom of these.
    def redeem(self, request: TokenRequest) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brings to authenticate its client: headers and body, undecided.

    `authorization` is the Authorization header's value, None where there is no such header. `read` is what a method has
    taken apart of it already, by the method's name, so that it does so once.
    """

    authorization: str | None
    params: Mapping[str, str]
    now: float
    read: dict[str, Any] = field(default_factory=dict, compare=False)


class ClientAuthMethod(Protocol):
    """A `token_endpoint_auth_method` (RFC 7591 §2).

    `is_used` says whether the request uses this mechanism; `client_id` whom it claims to be; `authenticate` proves it
    or raises `OAuthError`. One that reads the Authorization header has `IN_HEADER = True`, one that verifies signatures
    has `ALGORITHMS`.
    """

    METHOD: str

    def is_used(self, credentials: Credentials) -> bool: ...
    def client_id(self, credentials: Credentials) -> str: ...
    def authenticate(self, credentials: Credentials, client: "Client") -> None: ...


class ClientResolver(Protocol):
    """Knows clients that are not registered (such as by a metadata document's URL).

    `resolve` returns None for a client that it does not know, and raises `OAuthError` for one that it refuses. It may
    have `introducing_hosts() -> Sequence[str]` too: patterns of the hosts whose clients it lets in without an approval.
    """

    def recognises(self, client_id: str) -> bool: ...
    def resolve(self, client_id: str) -> "Client | None": ...


class Endpoint(Protocol):
    """Endpoints under the issuer's path, and what they add to the metadata."""

    urlpatterns: Sequence[URLPattern]


class TokenResponseExtension(Protocol):
    """Adds members to a token response, just before it is settled: it computes, and writes nothing."""

    def extend(self, issuance: Issuance) -> dict[str, Any]: ...


class StandingCheck(Protocol):
    """Whether what a room let somebody have still stands. Both answer the same question; `stands` costs microseconds,
    and `fallen` finds all that do not.
    """

    def stands(self, authorization: "Authorization", client: "Client") -> bool: ...
    def fallen(self) -> Q: ...


class ReasonExplanations(Protocol):
    """What the reasons of an app mean to who reads the audit, by the reason's value."""

    EXPLANATIONS: Mapping[str, Explanation]


class PasswordCheck(Protocol):
    """Who may have no password of their own here, since somebody else signs them in; "" where nothing is against it."""

    def why_no_password(self, user: "User") -> str: ...


class GroupSource(Protocol):
    """Somebody else who puts people into groups (authz/sign_in/memberships.py). PREFETCH names the relation of a person
    that `given` reads. `give_way` is told which groups the person is given here, and returns those that stay anyway.
    """

    PREFETCH: str

    def given(self, user: "User") -> frozenset[str]: ...
    def give_way(self, user: "User", names: Collection[str]) -> frozenset[str]: ...


class PublicGrants(Protocol):
    """The grant types that an administrator gives public clients of a host beside those that every public client has.

    `host` is that of the client's metadata document; a client without a document has no host, and gets none of them.
    """

    def allowed(self, host: str) -> frozenset[str]: ...


class PeriodicTask(Protocol):
    """What the server does by the clock, every `EVERY` seconds (authz/operations/periodic.py).

    `run` returns True where it has left something that it could do at once: then it is due again in a moment. One that
    ends or removes things by the clock says NEEDS_TRUE_CLOCK = True, and does not run where the clock is in doubt.
    It may have `measures() -> {metric's name: (meaning, value)}` too: its lag, for the metrics.
    """

    EVERY: float

    def run(self) -> bool | None: ...


def _modules(paths: Sequence[str]) -> tuple[Any, ...]:
    return tuple(import_module(path) for path in paths)


@cache
def grants() -> Mapping[str, Grant]:
    return {module.GRANT_TYPE: module for module in _modules(conf.grants)}


@cache
def client_auth_methods() -> Mapping[str, ClientAuthMethod]:
    return {module.METHOD: module for module in _modules(conf.client_auth_methods)}


@cache
def client_resolvers() -> tuple[ClientResolver, ...]:
    return cast(tuple[ClientResolver, ...], _modules(conf.client_resolvers))


@cache
def endpoints() -> tuple[Endpoint, ...]:
    return cast(tuple[Endpoint, ...], _modules(conf.endpoints))


@cache
def token_response_extensions() -> tuple[TokenResponseExtension, ...]:
    return cast(tuple[TokenResponseExtension, ...], _modules(conf.token_response_extensions))


def token_response_additions(issuance: Issuance) -> dict[str, Any]:
    """What all extensions add to a token response."""
    additions: dict[str, Any] = {}
    for extension in token_response_extensions():
        additions |= extension.extend(issuance)
    return additions


@cache
def liveness_checks() -> tuple[StandingCheck, ...]:
    return cast(tuple[StandingCheck, ...], _modules(conf.liveness_checks))


@cache
def reason_explanations() -> Mapping[str, Explanation]:
    parts = cast(tuple[ReasonExplanations, ...], _modules(conf.reason_explanations))
    return {reason: told for part in parts for reason, told in part.EXPLANATIONS.items()}


@cache
def password_checks() -> tuple[PasswordCheck, ...]:
    return cast(tuple[PasswordCheck, ...], _modules(conf.password_checks))


@cache
def group_sources() -> tuple[GroupSource, ...]:
    return cast(tuple[GroupSource, ...], _modules(conf.group_sources))


@cache
def _public_grants() -> tuple[PublicGrants, ...]:
    return cast(tuple[PublicGrants, ...], _modules(conf.public_grants))


@cache
def periodic_tasks() -> Mapping[str, PeriodicTask]:
    return dict(zip(conf.periodic_tasks, _modules(conf.periodic_tasks), strict=True))


def grant_for(grant_type: str, client: "Client") -> Grant:
    """The grant, if it is plugged in and the client is registered for it."""
    grant = grants().get(grant_type)
    if grant is None:
        raise OAuthError(Reason.GRANT_TYPE_UNSUPPORTED, detail=harmless(grant_type))
    if not client.allows_grant_type(grant_type):
        raise OAuthError(Reason.GRANT_TYPE_NOT_REGISTERED, detail=harmless(grant_type))
    return grant


def stands(authorization: "Authorization", client: "Client") -> bool:
    """Whether every room says that the authorization of this client still stands."""
    return all(check.stands(authorization, client) for check in liveness_checks())


def why_no_password(user: "User") -> str:
    """Why this person may have no password here, in words for an administrator; "" if they may."""
    return next((why for check in password_checks() if (why := check.why_no_password(user))), "")


def public_grants(host: str) -> frozenset[str]:
    """The grant types that public clients whose metadata document is at `host` have by an administrator's word."""
    if not host:
        return frozenset()
    return frozenset[str]().union(*(part.allowed(host) for part in _public_grants()))


def client_named_by_grant(params: Mapping[str, str]) -> str | None:
    """The client that a request's grant names where the request itself names none (a workload's assertion does)."""
    names = getattr(grants().get(params.get("grant_type", "")), "client_id", None)
    return names(params) if names is not None else None


def grants_leading_here() -> frozenset[str]:
    """The grants by which somebody reaches protected resources of our own."""
    return frozenset(name for name, grant in grants().items() if not hasattr(grant, "servers"))


def servers_elsewhere(agents: "Sequence[Agent]") -> "list[Server]":
    """The protected resources behind other authorization servers that grants lead to, and whom of these agents."""
    return [server for grant in grants().values() if hasattr(grant, "servers") for server in grant.servers(agents)]


def presentation(client: "Client") -> Mapping[str, str]:
    """What the resolver that knows a client adds to how people are shown it, such as `logo_url` on our own
    origin, or `waits_because`, why it is not approved any more."""
    for resolver in client_resolvers():
        if hasattr(resolver, "presentation") and resolver.recognises(client.client_id):
            return cast(Mapping[str, str], resolver.presentation(client))
    return {}


def introducing_hosts() -> frozenset[str]:
    """Patterns of the hosts (`*.example.com`) whose clients introduce themselves without an approval."""
    parts = (resolver for resolver in client_resolvers() if hasattr(resolver, "introducing_hosts"))
    return frozenset(pattern for part in parts for pattern in part.introducing_hosts())


def signing_algorithms(methods: Iterable[str]) -> list[str]:
    """The JWS algorithms that those of these client authentication methods verify which verify signatures."""
    plugged_in = client_auth_methods()
    return [alg for name in methods for alg in getattr(plugged_in[name], "ALGORITHMS", ())]


def asked_for(client: "Client") -> None:
    """Tell the resolver that knows a client that a person who is signed in asks for its approval. In
    `unit_of_work()`."""
    for resolver in client_resolvers():
        if hasattr(resolver, "asked_for") and resolver.recognises(client.client_id):
            resolver.asked_for(client)
            return


def metadata() -> dict[str, Any]:
    """What the plugged-in parts add to the server's metadata: each part's `METADATA`, in the order of settings."""
    parts = (
        *grants().values(),
        *client_auth_methods().values(),
        *client_resolvers(),
        *endpoints(),
        *token_response_extensions(),
    )
    merged: dict[str, Any] = {}
    for part in parts:
        addition = getattr(part, "METADATA", {})
        merged |= addition() if callable(addition) else addition
    return merged


def _forget(*, setting: str, **_: object) -> None:
    if setting == "GATEHOUSE":
        for socket in (
            grants,
            client_auth_methods,
            client_resolvers,
            endpoints,
            token_response_extensions,
            liveness_checks,
            reason_explanations,
            password_checks,
            group_sources,
            _public_grants,
            periodic_tasks,
        ):
            socket.cache_clear()


setting_changed.connect(_forget)
