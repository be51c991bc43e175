"""Rules in sentences as the console shows them: MCP servers by their names, with what they are in the tooltip.

Wherever a sentence is text (terminal, API, exports), it has the identifiers themselves (authz/policy/sentences.py).
"""

from collections.abc import Iterable, Mapping, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authz.console.widgets import names
from authz.decisions import rule_history
from authz.models import Rule, RuleChange
from authz.policy import Rule as PolicyRule
from authz.policy import RuleError
from authz.policy.sentences import around_servers

Row = Rule | RuleChange


def of_rows(rows: Sequence[Row | None]) -> list[SafeString | str]:
    """What each row says; "" for None. One query for the names in all of them."""
    read = [_read(row) for row in rows]
    called = names_in(rule for rule in read if isinstance(rule, PolicyRule))
    return [in_words(rule, called) if isinstance(rule, PolicyRule) else rule for rule in read]


def of_pairs(pairs: Sequence[tuple[Row | None, Row | None]]) -> list[tuple[SafeString | str, SafeString | str]]:
    """The same of rows as they were and as they are."""
    said = iter(of_rows([row for pair in pairs for row in pair]))
    return list(zip(said, said, strict=True))


def names_in(rules: Iterable[PolicyRule]) -> dict[str, str]:
    """What the MCP servers are called that these rules name."""
    return names.of_servers(identifier for rule in rules for identifier in rule.resources)


def in_words(rule: PolicyRule, called: Mapping[str, str]) -> SafeString:
    before, identifiers, after = around_servers(rule)
    # Each name is isolated, so that its text direction does not change what follows.
    return format_html("<bdi>{}</bdi>{}<bdi>{}</bdi>", before, any_of(identifiers, called), after)


def any_of(identifiers: Sequence[str], called: Mapping[str, str]) -> SafeString:
    """`Wiki, Ledger or https://mcp.example.com/`."""
    told = [(server(identifier, called),) for identifier in identifiers]
    if len(told) < 2:
        return format_html_join("", "{}", told)
    return format_html("{} or {}", format_html_join(", ", "{}", told[:-1]), *told[-1])


def server(identifier: str, called: Mapping[str, str]) -> SafeString:
    """One MCP server by its name; what it is stands in the tooltip. By that alone if it has no name."""
    name = called.get(identifier, identifier)
    if name == identifier:
        return format_html("<bdi>{}</bdi>", identifier)
    return format_html('<bdi title="{}">{}</bdi>', identifier, name)


def _read(row: Row | None) -> PolicyRule | str:
    if row is None:
        return ""
    try:
        return rule_history.as_policy_rule(row)
    except RuleError as error:
        return f"This rule cannot be read: {error}"
