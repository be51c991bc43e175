"""The cast of the policy tests: short ways to write a question, a rule, an approval, and to read a decision."""

from authz import policy

NOW = 1_800_000_000.0  # Friday, 2027-01-15 08:00 UTC
NOTES = "https://notes.example.com/mcp"
PAYROLL = "https://payroll.example.com/mcp"
SENSITIVITIES = {"read": "low", "write": "high", "delete": "high", "odd": ""}


def question(scopes: str = "read", **changes: object) -> policy.AccessQuestion:
    """Bob of engineering, through an approved agent, by the code grant, at Notes."""
    facts: dict[str, object] = {
        "client_id": "agent",
        "client_status": policy.ClientStatus.APPROVED,
        "client_kind": policy.ClientKind.REGISTERED,
        "subject": "bob",
        "groups": ("engineering",),
        "grant_type": "authorization_code",
        "resource": NOTES,
        "scopes": tuple((name, SENSITIVITIES.get(name, "low")) for name in scopes.split()),
    }
    return policy.AccessQuestion(**(facts | changes))  # type: ignore[arg-type] # facts by name, as the tables write them


def machine(scopes: str = "read", **changes: object) -> policy.AccessQuestion:
    """The same agent for itself."""
    facts: dict[str, object] = {"subject": None, "groups": (), "grant_type": "client_credentials"}
    return question(scopes, **(facts | changes))


def cimd(host: str, **changes: object) -> policy.AccessQuestion:
    """Bob through a client that introduced itself by a document on this host."""
    facts: dict[str, object] = {
        "client_id": f"https://{host}/client.json",
        "client_kind": policy.ClientKind.CIMD,
        "client_host": host,
    }
    return question(**(facts | changes))


def call(name: str = "get", scopes: str = "read", **changes: object) -> policy.AccessQuestion:
    """Bob's agent calls a tool of Notes. `labels`, `arguments`, `digest` and `unusual` are those of the call."""
    facts = {"labels": frozenset(), "arguments": {}, "digest": "this", "unusual": frozenset()}
    facts |= {field: changes.pop(field) for field in list(changes) if field in facts}
    tool = policy.ToolCall(name=name, **facts)  # type: ignore[arg-type] # facts by name, as the tables write them
    return question(scopes, **({"asks_before_calls": True, "tool": tool} | changes))


def rule(effect: str, scopes: str = "*", **changes: object) -> policy.Rule:
    """A rule about any signed-in person and everything else, but for the changes. `groups=None` leaves groups out."""
    shape: dict[str, object] = {
        "name": effect,
        "effect": effect,
        "clients": ["*"],
        "groups": ["*"],
        "grant_types": ["*"],
        "resources": ["*"],
        "scopes": scopes.split(),
    }
    conditions = {key: changes.pop(key) for key in list(changes) if key in CONDITIONS}
    shape |= changes
    if conditions:
        shape["conditions"] = conditions
    if shape["groups"] is None or ("users" in changes and "groups" not in changes):
        del shape["groups"]
    return policy.Rule.from_mapping(shape)


CONDITIONS = (
    "max_auth_age",
    "acr",
    "amr",
    "networks",
    "environments",
    "not_before",
    "not_after",
    "hours",
    "arguments",
    "unusual",
)


def allow(scopes: str = "*", **changes: object) -> policy.Rule:
    return rule("allow", scopes, **changes)


def deny(scopes: str = "*", **changes: object) -> policy.Rule:
    return rule("deny", scopes, **changes)


def require(scopes: str = "*", **changes: object) -> policy.Rule:
    return rule("require_approval", scopes, **changes)


def approval(scopes: str, **changes: object) -> policy.Approval:
    """What Alice approved for Bob through the agent at Notes, for ten minutes from a minute ago."""
    facts: dict[str, object] = {
        "id": "approval",
        "client_id": "agent",
        "subject": "bob",
        "resource": NOTES,
        "scopes": tuple(scopes.split()),
        "grant_types": ("authorization_code",),
        "not_before": NOW - 60,
        "expires": NOW + 600,
    }
    return policy.Approval(**(facts | changes))  # type: ignore[arg-type] # facts by name, as the tables write them


def told(decision: policy.Decision) -> str:
    """A decision in few words: "allowed: read write", "waits: write", or the reason of a refusal."""
    if decision.effect is policy.Outcome.ALLOW:
        return f"{decision.reason}: {' '.join(decision.scopes)}"
    if decision.effect is policy.Outcome.PENDING:
        return f"waits: {' '.join(decision.waiting)}"
    assert decision.effect is policy.Outcome.DENY
    return decision.reason.value
