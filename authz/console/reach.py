"""What the rules let an agent do: in sentences for its page, in short for the list."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz import decisions, snapshot
from authz.models import Client
from authz.policy import Rule
from authz.policy.compiled import positions
from authz.policy.sentences import sentence

ORDER = ("deny", "require_approval", "allow")


def _rules(client: Client) -> list[Rule]:
    rules = decisions.rule_set()
    question = decisions.ask(client=client, user=None, grant_type="", resource=None, scopes=())
    return [rules.rules[position] for position in positions(rules.speaking_of_client(question))]


def reach(client: Client) -> list[tuple[str, str]]:
    """What the enabled rules say of an agent: (effect, sentence), denials first."""
    snapshot.begin()
    found = sorted(_rules(client), key=lambda rule: ORDER.index(rule.effect.value))
    return [(rule.effect.value, sentence(rule)) for rule in found]


def reach_in_short(client: Client) -> SafeString | str:
    """`2 MCP servers`, with their identifiers; what is denied or waits is told on the agent's page.

    The caller has begun a snapshot: a list has fifty of them.
    """
    if client.status != Client.Status.APPROVED:
        return "—"
    named: dict[str, None] = {}
    for rule in _rules(client):
        if rule.effect.value != "deny":
            named |= dict.fromkeys(rule.resources)
    if not named:
        return "nothing"
    if "*" in named:
        return "every MCP server"
    text = "1 MCP server" if len(named) == 1 else f"{len(named)} MCP servers"
    return format_html('<span title="{}">{}</span>', "\n".join(list(named)[:20]), text)
