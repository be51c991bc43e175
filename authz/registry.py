"""The extension points of the server, and the parts that the settings plug into them.

A part is a module of the right shape: no base class, no registration call. `GATEHOUSE` in settings.py lists the parts,
as `MIDDLEWARE` does, and the metadata is computed from the same lists, so it cannot claim what is not plugged in.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from django.core.signals import setting_changed
from django.db.models import Q
from django.urls import URLPattern

from authz.conf import conf
from authz.protocol.dpop_proofs import Proof
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.protocol.explanations import Explanation

if TYPE_CHECKING:
    from authz.models import Authorization, Client, Deferral, ProtectedResource, User
    from authz.policy import Agent, Server


# The token_endpoint_auth_method of public clients (RFC 7591 §2), which do not authenticate.
PUBLIC = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A token request of a known client, as a grant gets it. `now` is seconds since the epoch.

    `proof` is that of the key which the client has shown (RFC 9449), not claimed yet; None where it showed none.
    `deferral` is the row of a deferred request that is evaluated again (authz/tokens/deferrals.py). A grant that can be
    deferred redeems it instead of claiming a code or an assertion, and validates that by the time `arrived`.
    """

    client: "Client"
    auth_method: str
    params: Mapping[str, str]
    now: float
    address: str = ""
    deferral: "Deferral | None" = None
    proof: Proof | None = None

    @property
    def jkt(self) -> str:
        """The thumbprint of the key that the client has shown; "" where it showed none."""
        return self.proof.jkt if self.proof else ""

    @property
    def arrived(self) -> float:
        """When the request arrived first, in seconds since the epoch."""
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

    # Optional: `client_id(params) -> str | None` finds the client of a request that names none.
    # Optional: `ahead(params) -> Sequence[Statement]`, what the request reads first (authz/database/raw_sql.py).
    # Optional, for requests that can be deferred: `single_use(request) -> SingleUse | None`, what the request uses up
    # (authz/tokens/deferrals.py).
    # Optional, for a grant that leads only to other authorization servers:
    # `servers(agents) -> Sequence[Server]`, the resources there, and the agents that may reach them.
    def redeem(self, request: TokenRequest) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """The parts of a request that may authenticate its client: header and body, not yet verified.

    `authorization` is the Authorization header's value, None where there is no such header. `grant_type` is that of a
    token request, "" at other endpoints. `audiences` are addresses of ours that may stand in the `aud` of an assertion
    there, beside the issuer. `read` caches what a method has parsed, by the method's name.
    """

    authorization: str | None
    params: Mapping[str, str]
    now: float
    grant_type: str = ""
    audiences: tuple[str, ...] = ()
    read: dict[str, Any] = field(default_factory=dict, compare=False)


class ClientAuthMethod(Protocol):
    """A `token_endpoint_auth_method` (RFC 7591 §2).

    `is_used` says whether the request uses this method; `client_id` returns the claimed client; `authenticate` verifies
    it. Both raise `OAuthError`. A method that reads the Authorization header has `IN_HEADER = True`; one that verifies
    signatures has `ALGORITHMS`.
    """

    METHOD: str

    def is_used(self, credentials: Credentials) -> bool: ...
    def client_id(self, credentials: Credentials) -> str: ...
    def authenticate(self, credentials: Credentials, client: "Client") -> None: ...


class ClientResolver(Protocol):
    """Finds clients that are not registered (such as by a metadata document's URL).

    `resolve` returns None for a client that it does not know, and raises `OAuthError` for one that it refuses. It may
    have `introducing_hosts() -> Sequence[str]`: patterns of the hosts whose clients need no approval.
    """

    def recognises(self, client_id: str) -> bool: ...
    def resolve(self, client_id: str) -> "Client | None": ...


class Endpoint(Protocol):
    """Endpoints under the issuer's path, and what they add to the metadata.

    Optional: `documents_at() -> Mapping[str, view]`, documents at well-known addresses of the origin, without the slash
    at their beginning.
    """

    urlpatterns: Sequence[URLPattern]


class TokenResponseExtension(Protocol):
    """Adds members to a token response before its transaction opens: it computes, and writes nothing."""

    def extend(self, issuance: Issuance) -> dict[str, Any]: ...


class LivenessCheck(Protocol):
    """Whether an authorization is still live as far as an app knows. `is_live` answers for one, in microseconds;
    `not_live` is the query of all that are not live any more.
    """

    def is_live(self, authorization: "Authorization", client: "Client") -> bool: ...
    def not_live(self) -> Q: ...


class ReasonExplanations(Protocol):
    """The meaning of an app's reasons for a reader of the audit, by the reason's value."""

    EXPLANATIONS: Mapping[str, Explanation]


class PasswordCheck(Protocol):
    """Why a person may have no password here (an issuer signs them in); "" if they may."""

    def why_no_password(self, user: "User") -> str: ...


class GroupSource(Protocol):
    """Another source of group memberships (authz/sign_in/memberships.py). PREFETCH names the relation of a person that
    `given` reads. `named` says who gives each of them, in words. `give_way` gets the groups that the person is given
    here, and returns those that this source keeps. It may say which people it knows (authz/sign_in/origins.py).
    """

    PREFETCH: str

    def given(self, user: "User") -> frozenset[str]: ...
    def named(self, user: "User") -> Mapping[str, str]: ...
    def give_way(self, user: "User", names: Collection[str]) -> frozenset[str]: ...


class PublicGrants(Protocol):
    """Further grant types that an administrator gives public clients of a host.

    `host` is that of the client's metadata document; a client without a document has no host, and gets none of them.
    """

    def allowed(self, host: str) -> frozenset[str]: ...


class EndListener(Protocol):
    """What is told of ends of access, in their transaction: it writes, and sends nothing (authz/authorizations).

    `ended` gets the authorizations that have just ended, with their client, person and resource. `cut_off` is each use
    of the switch, also where no authorization was live; `subject` is the person's `sub`, if it is about a person.
    `reinstated` is each undo of one. `suspended` gets agents that have just been suspended: what they have been granted
    rests, and has not ended.
    """

    def ended(self, authorizations: "Sequence[Authorization]", *, reason: str, now: datetime) -> None: ...
    def cut_off(self, kind: str, identifier: str, *, subject: str, now: datetime) -> None: ...
    def reinstated(self, kind: str, *, subject: str, now: datetime) -> None: ...
    def suspended(self, clients: "Sequence[Client]", *, now: datetime) -> None: ...


class PeriodicTask(Protocol):
    """A scheduled task, every `EVERY` seconds (authz/operations/periodic.py).

    `run` returns True if it has left work that it could do at once: then it is due again soon. A task that
    ends or removes things on schedule has NEEDS_TRUE_CLOCK = True, and does not run while the clock is in doubt.
    It may have `measures() -> {metric's name: (meaning, value)}`: its lag, for the metrics.
    """

    EVERY: float

    def run(self) -> bool | None: ...


T = TypeVar("T")
_remembered: list[Callable[[], None]] = []


def _parts(plugged_in: Callable[[], T]) -> Callable[[], T]:
    """Remember what the settings plug in, until they change."""
    remembered = cache(plugged_in)
    _remembered.append(remembered.cache_clear)
    return remembered


def _modules(paths: Sequence[str]) -> tuple[Any, ...]:
    return tuple(import_module(path) for path in paths)


@_parts
def grants() -> Mapping[str, Grant]:
    return {module.GRANT_TYPE: module for module in _modules(conf.grants)}


@_parts
def client_auth_methods() -> Mapping[str, ClientAuthMethod]:
    return {module.METHOD: module for module in _modules(conf.client_auth_methods)}


@_parts
def client_resolvers() -> tuple[ClientResolver, ...]:
    return cast(tuple[ClientResolver, ...], _modules(conf.client_resolvers))


@_parts
def endpoints() -> tuple[Endpoint, ...]:
    return cast(tuple[Endpoint, ...], _modules(conf.endpoints))


@_parts
def api_parts() -> tuple[Endpoint, ...]:
    """What apps add to the management API."""
    return cast(tuple[Endpoint, ...], _modules(conf.api_parts))


@_parts
def token_response_extensions() -> tuple[TokenResponseExtension, ...]:
    return cast(tuple[TokenResponseExtension, ...], _modules(conf.token_response_extensions))


def documents_at() -> Mapping[str, Any]:
    """The views of the documents that parts have at well-known addresses of the origin."""
    parts = (getattr(endpoint, "documents_at", None) for endpoint in endpoints())
    return {address: view for part in parts if part is not None for address, view in part().items()}


def token_response_additions(issuance: Issuance) -> dict[str, Any]:
    """What all extensions add to a token response."""
    additions: dict[str, Any] = {}
    for extension in token_response_extensions():
        additions |= extension.extend(issuance)
    return additions


@_parts
def liveness_checks() -> tuple[LivenessCheck, ...]:
    return cast(tuple[LivenessCheck, ...], _modules(conf.liveness_checks))


@_parts
def reason_explanations() -> Mapping[str, Explanation]:
    parts = cast(tuple[ReasonExplanations, ...], _modules(conf.reason_explanations))
    return {reason: told for part in parts for reason, told in part.EXPLANATIONS.items()}


@_parts
def password_checks() -> tuple[PasswordCheck, ...]:
    return cast(tuple[PasswordCheck, ...], _modules(conf.password_checks))


@_parts
def group_sources() -> tuple[GroupSource, ...]:
    return cast(tuple[GroupSource, ...], _modules(conf.group_sources))


@_parts
def _public_grants() -> tuple[PublicGrants, ...]:
    return cast(tuple[PublicGrants, ...], _modules(conf.public_grants))


@_parts
def end_listeners() -> tuple[EndListener, ...]:
    return cast(tuple[EndListener, ...], _modules(conf.end_listeners))


@_parts
def periodic_tasks() -> Mapping[str, PeriodicTask]:
    return dict(zip(conf.periodic_tasks, _modules(conf.periodic_tasks), strict=True))


def grant_for(grant_type: str, client: "Client") -> Grant:
    """The grant of this type. Raises `OAuthError` if there is none, or the client is not registered for it."""
    grant = grants().get(grant_type)
    if grant is None:
        raise OAuthError(Reason.GRANT_TYPE_UNSUPPORTED, detail=harmless(grant_type))
    if not client.allows_grant_type(grant_type):
        raise OAuthError(Reason.GRANT_TYPE_NOT_REGISTERED, detail=harmless(grant_type))
    return grant


def is_live(authorization: "Authorization", client: "Client") -> bool:
    """Whether the authorization of this client is still live as far as every app knows."""
    return all(check.is_live(authorization, client) for check in liveness_checks())


def why_no_password(user: "User") -> str:
    """Why this person may have no password here, in words for an administrator; "" if they may."""
    return next((why for check in password_checks() if (why := check.why_no_password(user))), "")


def public_grants(host: str) -> frozenset[str]:
    """The grant types that an administrator gives public clients whose metadata document is at `host`."""
    if not host:
        return frozenset()
    return frozenset[str]().union(*(part.allowed(host) for part in _public_grants()))


def client_named_by_grant(params: Mapping[str, str]) -> str | None:
    """The client of a request that names none, if its grant finds one (by a workload's assertion)."""
    names = getattr(grants().get(params.get("grant_type", "")), "client_id", None)
    return names(params) if names is not None else None


def grants_leading_here() -> frozenset[str]:
    """The grants that lead to this server's own protected resources."""
    return frozenset(name for name, grant in grants().items() if not hasattr(grant, "servers"))


def servers_elsewhere(agents: "Sequence[Agent]") -> "list[Server]":
    """The protected resources behind other authorization servers, and which of these agents can reach them."""
    return [server for grant in grants().values() if hasattr(grant, "servers") for server in grant.servers(agents)]


def presentation(client: "Client") -> Mapping[str, str]:
    """What the client's resolver adds to its display, such as `logo_url` on our own
    origin, or `waits_because`, the reason why it is no longer approved."""
    for resolver in client_resolvers():
        if hasattr(resolver, "presentation") and resolver.recognises(client.client_id):
            return cast(Mapping[str, str], resolver.presentation(client))
    return {}


def introducing_hosts() -> frozenset[str]:
    """Patterns of the hosts (`*.example.com`) whose clients need no approval."""
    parts = (resolver for resolver in client_resolvers() if hasattr(resolver, "introducing_hosts"))
    return frozenset(pattern for part in parts for pattern in part.introducing_hosts())


def signing_algorithms(methods: Iterable[str]) -> list[str]:
    """The JWS algorithms that these client authentication methods verify."""
    plugged_in = client_auth_methods()
    return [alg for name in methods for alg in getattr(plugged_in[name], "ALGORITHMS", ())]


def asked_for(client: "Client") -> None:
    """Tell the client's resolver that a signed-in person asks for its approval. Call it in
    `unit_of_work()`."""
    for resolver in client_resolvers():
        if hasattr(resolver, "asked_for") and resolver.recognises(client.client_id):
            resolver.asked_for(client)
            return


def metadata() -> dict[str, Any]:
    """What the parts add to the server's metadata: each part's `METADATA`, in the order of the settings."""
    parts: list[Any] = [*grants().values(), *client_auth_methods().values(), *client_resolvers(), *endpoints()]
    parts += token_response_extensions()
    merged: dict[str, Any] = {}
    for part in parts:
        addition = getattr(part, "METADATA", {})
        merged |= addition() if callable(addition) else addition
    return merged


def _forget(*, setting: str, **_: object) -> None:
    if setting == "GATEHOUSE":
        for forget in _remembered:
            forget()


setting_changed.connect(_forget)
