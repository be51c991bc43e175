"""A rule as an English sentence, and the phrases it is made of, for the console, the terminal and explanations."""

from collections.abc import Iterable, Sequence

from authz.policy.approvers import phrase
from authz.policy.arguments import ArgumentCondition, Comparison, shown
from authz.policy.clients import pattern_key
from authz.policy.conditions import Conditions, iso
from authz.policy.hours import Hours, clock_time
from authz.policy.rules import Effect, Rule
from authz.policy.unusual import Unusual

_SELECTED = {
    "tag": "agents tagged {}",
    "owner": "agents owned by {}",
    "environment": "agents in {}",
}
_KINDS = {
    "kind:registered": "agents registered by hand",
    "kind:dynamic": "agents that registered themselves",
    "kind:cimd": "agents with a client ID metadata document",
    "kind:workload": "workloads",
}
_GRANTS = {
    "authorization_code": "the authorization code grant",
    "client_credentials": "client credentials",
    "refresh_token": "refreshing",
    "urn:ietf:params:oauth:grant-type:jwt-bearer": "an identity assertion",
    "urn:ietf:params:oauth:grant-type:token-exchange": "token exchange",
}
_NO_ONE = {"any agent": "no agent", "any signed-in person": "no signed-in person"}
_ANY_SERVER = "any server"
_COMPARED = {
    Comparison.EQUALS: "is",
    Comparison.BELOW: "is below",
    Comparison.AT_LEAST: "is at least",
    Comparison.PREFIX: "begins with",
}
_UNUSUAL = {
    Unusual.FIRST_USE: "the agent calls the tool for the first time",
    Unusual.VOLUME: "it makes far more calls than on its busiest day",
}
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def sentence(rule: Rule) -> str:
    """What the rule says, such as "Members of engineering may get the scope read at … through any agent."."""
    before, servers, after = around_servers(rule)
    return f"{before}{any_of(servers)}{after}" if servers else f"{before}{after}"


def around_servers(rule: Rule) -> tuple[str, tuple[str, ...], str]:
    """The sentence in three parts: before the servers that it names, the servers, and the rest.

    For callers that show the servers by other names. A rule that names none has only the first part.
    """
    off = "" if rule.enabled else "(Switched off.) "
    for field in ("clients", "through", "grant_types", "resources", "scopes", "sensitivities", "tools", "labels"):
        if getattr(rule, field) == ():
            return f"{off}Applies to nothing, since its list of {field.replace('_', ' ')} is empty.", (), ""
    if not rule.for_machines and not rule.users and not rule.groups:
        return f"{off}Applies to no one, since it names neither a user nor a group.", (), ""
    by = "" if "*" in rule.grant_types else f" by {grants_phrase(rule)}"
    who = clients_phrase(rule) if rule.for_machines else subjects_phrase(rule)
    through = f"for {_themselves(rule)}" if rule.for_machines else f"through {clients_phrase(rule)}"
    said = f"{_may(rule, who)} {_what(rule)} at "
    # A name keeps the letters that it is compared by.
    before = f"{off}{said if _begins_with_a_name(rule) else said[0].upper() + said[1:]}"
    after = f" {through}{by}" + "".join(_endings(rule)) + "."
    return (f"{before}{_ANY_SERVER}{after}", (), "") if "*" in rule.resources else (before, rule.resources, after)


def _may(rule: Rule, who: str) -> str:
    if rule.effect is not Effect.DENY:
        return f"{who} may"
    return f"{_NO_ONE[who]} may" if who in _NO_ONE else f"{who} may not"


def _what(rule: Rule) -> str:
    if not rule.is_of_calls:
        return f"get {scopes_phrase(rule)}"
    return f"call {tools_phrase(rule)} with {scopes_phrase(rule)}"


def clients_phrase(rule: Rule) -> str:
    return any_of(_client(pattern) for pattern in rule.clients)


def through_phrase(rule: Rule) -> str:
    """Which agents may have, or must not have, passed the request on."""
    if rule.through is None:
        return "no other agent"
    return any_of(_client(pattern) for pattern in rule.through) if rule.through else "an agent of an empty list"


def subjects_phrase(rule: Rule) -> str:
    if rule.for_machines:
        return "machines"
    users, groups = rule.users or (), rule.groups or ()
    if "*" in users or "*" in groups:
        return "any signed-in person"
    named = list(users)
    if groups:
        named.append(f"members of {any_of(groups)}")
    return any_of(named) if named else "no one"


def grants_phrase(rule: Rule) -> str:
    return any_of(_GRANTS.get(name, name) for name in rule.grant_types)


def resources_phrase(rule: Rule) -> str:
    return _ANY_SERVER if "*" in rule.resources else any_of(rule.resources)


def scopes_phrase(rule: Rule) -> str:
    if "*" in rule.scopes:
        named = "any scope" if rule.effect is Effect.DENY else "every scope"
    else:
        named = f"{'the scope' if len(rule.scopes) == 1 else 'the scopes'} {_list(rule.scopes, 'and')}"
    return named if rule.sensitivities is None else f"{named} of {any_of(rule.sensitivities)} sensitivity"


def tools_phrase(rule: Rule) -> str:
    if rule.tools is None or "*" in rule.tools:
        return "any tool" if rule.effect is Effect.DENY else "every tool"
    word = "or" if rule.effect is Effect.DENY else "and"
    return f"{'the tool' if len(rule.tools) == 1 else 'the tools'} {_list(rule.tools, word)}"


def labels_phrase(rule: Rule) -> str:
    return f"server, scope or tool is labelled {any_of(rule.labels or ())}"


def condition_phrases(conditions: Conditions, effect: Effect) -> dict[str, str]:
    """For each condition that is set, what it asks for."""
    phrases: dict[str, str] = {}
    if conditions.max_auth_age is not None:
        phrases["max_auth_age"] = f"the sign-in is at most {duration(conditions.max_auth_age)} old"
    if conditions.acr:
        phrases["acr"] = f"the sign-in’s acr is {any_of(conditions.acr)}"
    if conditions.amr:
        joined = _list(conditions.amr, "and" if effect is Effect.ALLOW else "or")
        phrases["amr"] = f"the sign-in used {joined}"
    if conditions.networks:
        phrases["networks"] = f"the request comes from {any_of(map(str, conditions.networks))}"
    if conditions.environments:
        phrases["environments"] = f"the agent is in {any_of(conditions.environments)}"
    if conditions.hours is not None:
        phrases["hours"] = f"it is {hours_phrase(conditions.hours)}"
    if conditions.not_before is not None:
        phrases["not_before"] = f"from {iso(conditions.not_before)}"
    if conditions.not_after is not None:
        phrases["not_after"] = f"until {iso(conditions.not_after)}"
    if conditions.unusual:
        phrases["unusual"] = any_of(map(unusual_phrase, conditions.unusual))
    phrases.update(
        {
            f"extensions.{asked.identifier}": f"{asked.identifier} says yes to {asked.said}"
            for asked in conditions.extensions
        }
    )
    phrases.update({f"arguments.{wanted.path}": argument_phrase(wanted) for wanted in conditions.arguments})
    return phrases


def unusual_phrase(kind: str) -> str:
    return _UNUSUAL[Unusual(kind)]


def argument_phrase(wanted: ArgumentCondition) -> str:
    """What is asked of one member, such as "amount is at least 10 and below 1000"."""
    return f"{wanted.path} {_list([_compared(name, value) for name, value in wanted.wanted], 'and')}"


def _compared(name: Comparison, value: object) -> str:
    if isinstance(value, tuple):
        return f"is {any_of(map(shown, value))}"
    if name is Comparison.PRESENT:
        return "is given" if value else "is not given"
    return f"{_COMPARED[name]} {shown(value)}"


def hours_phrase(hours: Hours) -> str:
    days = f" on {any_of(hours.days)}" if hours.days else ""
    return f"between {clock_time(hours.start)} and {clock_time(hours.end)} in {hours.timezone}{days}"


def duration(seconds: int) -> str:
    """Seconds in the largest unit that they fill without a rest: 600 is "10 minutes", 90 is "90 seconds"."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def any_of(items: Iterable[str]) -> str:
    return _list(list(items), "or")


def all_of_them(items: Iterable[str]) -> str:
    """`a, b and c`; "" for none."""
    found = list(items)
    return _list(found, "and") if found else ""


def _endings(rule: Rule) -> Iterable[str]:
    if rule.effect is Effect.REQUIRE_APPROVAL:
        who = "an approver" if rule.approvers is None else phrase(rule.approvers)
        has = "has" if rule.approvers is None or rule.approvers.count == 1 else "have"
        yield f", but only once {who} {has} approved it"
    if rule.through is not None:
        # A permission is for what came through these alone, a restriction for what came through any of them.
        alone = "only " if rule.effect is Effect.ALLOW and "*" not in rule.through else ""
        yield f", where it was passed on {alone}by {through_phrase(rule)}"
    if rule.labels is not None:
        yield f", where the {labels_phrase(rule)}"
    phrases = condition_phrases(rule.conditions, rule.effect)
    validity = [phrases.pop(name) for name in ("not_before", "not_after") if name in phrases]
    if phrases:
        # What isn't known counts for the restriction.
        also = "" if rule.effect is Effect.ALLOW else " (or that isn’t known)"
        yield f", if {_list(list(phrases.values()), 'and')}{also}"
    if validity:
        yield f", {' '.join(validity)}"
    if rule.max_lifetime is not None:
        yield f", for at most {duration(rule.max_lifetime)} a token"
    if rule.proof_of_possession:
        yield ", with tokens that are bound to the agent’s key"


def _client(pattern: str) -> str:
    selector, _, value = pattern.partition(":")
    if pattern == "*":
        return "any agent"
    if pattern in _KINDS:
        return _KINDS[pattern]
    if pattern.startswith("host:*."):
        return f"agents of hosts below {pattern.removeprefix('host:*.')}"
    if selector == "host":
        return f"agents of {value}"
    return _SELECTED[selector].format(value) if selector in _SELECTED else pattern


def _list(items: Sequence[str], word: str) -> str:
    if len(items) == 1:
        return items[0]
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _themselves(rule: Rule) -> str:
    """“any agent” and one agent's name are singular; “agents tagged finance” and several are not."""
    is_one = len(rule.clients) == 1 and (rule.clients[0] == "*" or pattern_key(rule.clients[0]).startswith("id:"))
    return "itself" if is_one or "*" in rule.clients else "themselves"


def _begins_with_a_name(rule: Rule) -> bool:
    if rule.for_machines:
        return pattern_key(rule.clients[0]).startswith("id:")
    return bool(rule.users) and "*" not in (*(rule.users or ()), *(rule.groups or ()))
