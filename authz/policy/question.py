"""A question: everything that one decision may depend on, as one frozen value.

Every grant, the consent page, CIMD admission, a refresh and the console's simulator put the same question in this
shape. The caller has already authenticated the client and the person, resolved the resource to its canonical URI and
parted the identity scopes (`part_scopes`) from the resource's own.
"""

from dataclasses import dataclass
from enum import StrEnum

from authz.policy.extension_conditions import Answers
from authz.policy.tool_calls import ToolCall


class ClientStatus(StrEnum):
    """Where an agent stands in its life. Only an approved one gets anything."""

    PENDING = "pending"
    APPROVED = "approved"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class ClientKind(StrEnum):
    """How a client came to be known: by hand, by RFC 7591, by its metadata document, or as a workload."""

    REGISTERED = "registered"
    DYNAMIC = "dynamic"
    CIMD = "cimd"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A client that acted before the one that asks; the fields are those of `AccessQuestion`."""

    client_id: str
    kind: ClientKind
    host: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessQuestion:
    """One question. An empty string, an empty tuple or None says that the fact isn't known; it never says "any".

    client_host     the host of a CIMD client's URL, "" for every other client. Case, port and final dot don't matter.
    client_tags, client_owner, client_environment   what an administrator wrote on the client, never what it says.
    client_until    when the client's approval ends, in seconds since the epoch; None if it has no end.
    through         the clients that the request came through, the first one first: each passed on what it was given,
                    and the last one to this client. Empty where the client asks on its own account.
    subject         the person's username, as rules write it; None when the client asks for itself.
    groups          the person's groups; without a subject they count for nothing.
    grant_type      the grant that the authorization comes from. A refresh keeps it and sets `refresh`: it is then
                    matched by rules that name the original grant and by rules that name `refresh_token`.
    resource        the canonical URI of the protected resource.
    scopes          what is asked for, in the request's order: (name, sensitivity); sensitivity "" if it isn't known.
    acr, amr, auth_time   how and when (seconds since the epoch) the person signed in.
    address         the IP address that the request came from.
    labels, scope_labels   what the organisation calls the resource, and its scopes: (scope, label). `labels` is None
                    where it isn't known, as with a resource of another authorization server.
    tool_labels     the labels that the resource's tools have, whichever is called.
    asks_before_calls   whether the resource asks this server before each call of a tool.
    tool            the call that is decided, with the scopes that it may use in `scopes`; None: a token is.
    extensions      what extensions answered to the conditions that rules put to them.
    """

    client_id: str
    client_status: ClientStatus
    client_kind: ClientKind
    client_host: str = ""
    client_tags: tuple[str, ...] = ()
    client_owner: str = ""
    client_environment: str = ""
    client_until: float | None = None
    through: tuple[Actor, ...] = ()
    subject: str | None = None
    groups: tuple[str, ...] = ()
    grant_type: str
    refresh: bool = False
    resource: str
    scopes: tuple[tuple[str, str], ...]
    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: float | None = None
    address: str | None = None
    labels: tuple[str, ...] | None = ()
    scope_labels: tuple[tuple[str, str], ...] = ()
    tool_labels: tuple[str, ...] = ()
    asks_before_calls: bool = False
    tool: ToolCall | None = None
    extensions: Answers = ()

    def is_approved(self, now: float) -> bool:
        """Whether the client is approved, and its approval has not ended by itself."""
        return self.client_status == ClientStatus.APPROVED and (self.client_until is None or now < self.client_until)

    def scope_names(self) -> tuple[str, ...]:
        """The names asked for, each once, in the request's order."""
        return tuple(dict.fromkeys(name for name, _ in self.scopes))

    def sensitivities(self) -> dict[str, str]:
        """The sensitivity of each scope, in the request's order; "" also where the question contradicts itself."""
        asked: dict[str, str] = {}
        for name, sensitivity in self.scopes:
            asked[name] = sensitivity if asked.get(name, sensitivity) == sensitivity else ""
        return asked

    def path(self) -> tuple[str, ...]:
        """The ids of the clients that it came through, the first one first."""
        return tuple(actor.client_id for actor in self.through)

    def grant_names(self) -> tuple[str, ...]:
        """The grant types by which rules match this question."""
        return (self.grant_type, "refresh_token") if self.refresh else (self.grant_type,)
