"""The stored rules, compiled once a generation."""

from django.db.models import Subquery

from authz.database import configuration_cache
from authz.decisions import rule_history
from authz.models import Rule, RuleChange
from authz.policy import RuleSet, without_networks
from authz.policy import compile as compile_rules


def cached_rules() -> RuleSet:
    """All rules. Those that are switched off are in it for `explain` alone."""
    return configuration_cache.cached("rules", _load)


def _load() -> RuleSet:
    # One statement reads the number and the rules, so they belong together whatever another process writes.
    newest = RuleChange.objects.order_by("-id").values("id")[:1]
    rows = list(Rule.objects.only("name", "effect", "enabled", "definition").annotate(newest=Subquery(newest)))
    number = rows[0].newest if rows else rule_history.number()
    return compile_rules(rule_history.readable(rows), number=number or 0)


def cached_rules_anywhere() -> RuleSet:
    """The rules without their network conditions, for what was issued elsewhere: an allow holds wherever the token is
    used, and a deny for some networks takes nothing away from a token that was issued in another network. Their version
    is that of all rules."""
    return configuration_cache.cached("rules anywhere", _load_anywhere)


def _load_anywhere() -> RuleSet:
    rules = without_networks(rule_history.readable(Rule.objects.filter(enabled=True)))
    return compile_rules(rules, cached_rules().version)
