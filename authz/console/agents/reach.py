"""What the rules let an agent do: in sentences for its page, in short for the list."""

from collections.abc import Mapping

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from authz import decisions
from authz.console.widgets.sentences import in_words, names_in
from authz.database import configuration_cache
from authz.models import Client
from authz.models.client import JWT_BEARER
from authz.policy import Rule
from authz.policy.compiled import positions

ORDER = ("deny", "require_approval", "allow")
# Grants without a person.
FOR_ITSELF = frozenset({"client_credentials", JWT_BEARER})
NAMED = 2


def _rules(client: Client) -> list[Rule]:
    rules = decisions.cached_rules()
    question = decisions.access_question(client=client, sign_in=None, grant_type="", resource=None, scopes=())
    found = (rules.rules[position] for position in positions(rules.rules_for_client(question)))
    return [rule for rule in found if can_speak_of(rule, client.grant_types)]


def can_speak_of(rule: Rule, grants: list[str]) -> bool:
    """Whether a rule can ever decide a request by one of these grants: for itself or for people, as the rule is."""
    common = set(grants) if "*" in rule.grant_types else set(grants).intersection(rule.grant_types)
    return bool(common & FOR_ITSELF if rule.for_machines else common - {"client_credentials"})


def reach(client: Client) -> list[tuple[str, SafeString]]:
    """What the enabled rules say of an agent: (effect, sentence), denials first."""
    configuration_cache.begin()
    found = sorted(_rules(client), key=lambda rule: ORDER.index(rule.effect.value))
    called = names_in(found)
    return [(rule.effect.value, in_words(rule, called)) for rule in found]


def reach_in_short(client: Client, names: Mapping[str, str]) -> SafeString | str:
    """`Wiki, Ledger and 2 more`; what is denied or waits is told on the agent's page.

    The caller has begun a snapshot, and knows the MCP servers' names: a list has fifty agents.
    """
    if client.status != Client.Status.APPROVED:
        return "—"
    found: dict[str, None] = {}
    for rule in _rules(client):
        if rule.effect.value != "deny":
            found |= dict.fromkeys(rule.resources)
    if not found:
        return format_html('<span class="soft">{}</span>', "nothing")
    if "*" in found:
        return "every MCP server"
    told = [names.get(identifier, identifier) for identifier in found]
    more = len(told) - NAMED
    return format_html(
        '<span title="{}">{}{}</span>',
        "\n".join(told[:20]),
        format_html_join(", ", "<bdi>{}</bdi>", ((Truncator(name).chars(60),) for name in told[:NAMED])),
        f" and {more} more" if more > 0 else "",
    )
