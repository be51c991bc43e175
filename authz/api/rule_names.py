"""`/policy/naming`: which rules name a thing, and what would become of them if it got another name or went."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.problems import invalid
from authz.api.framework.shapes import ANY, SWITCH, TEXT, a_list, mapping
from authz.api.framework.view import ApiView, require
from authz.api.policy import READS_RULES
from authz.api.rule_history import EFFECT
from authz.decisions import items, rule_names
from authz.decisions.rule_names import NamingRule
from authz.policy import sentence
from authz.policy.renaming import NameChange, Named

KINDS = {"resource": Named.SERVER, "scope": Named.SCOPE, "group": Named.GROUP, "client": Named.AGENT}


class Naming(ApiView):
    """The rules that name an MCP server (`resource`), a `scope` of a `server`, a `group` or an agent (`client`), what
    would become of them if it were called `to` or (without `to`) went, and the effect of both answers on past requests.
    """

    requires = {"POST": READS_RULES}
    takes = {"POST": mapping(kind=TEXT, name=TEXT, to=TEXT, server=TEXT)}
    answers = {
        "POST": mapping(
            rules=a_list(mapping(name=TEXT, before=TEXT, after=TEXT, item=ANY, disabled=SWITCH, problem=TEXT)),
            effect_if_changed=EFFECT,
            effect_if_left=EFFECT,
        )
    }

    def post(self, request: Request) -> Response:
        require(request, "authz.view_auditevent")
        change = _change_of(self.body(request))
        found = rule_names.naming([change])
        left, changed = rule_names.effects(found, [change])
        return Response(
            {
                "rules": [_as_item(rule) for rule in found],
                "effect_if_changed": items.effect_as_item(changed),
                "effect_if_left": items.effect_as_item(left),
            }
        )


def _change_of(given: dict[str, Any]) -> NameChange:
    """Raises `Problem`."""
    for member, value in given.items():
        if not isinstance(value, str):
            raise invalid(member, "is a text")
    kind = KINDS.get(given.get("kind", ""))
    if kind is None:
        raise invalid("kind", f"is one of {', '.join(KINDS)}")
    if not given.get("name"):
        raise invalid("name", "is needed")
    server = given.get("server", "")
    if (kind is Named.SCOPE) != bool(server):
        raise invalid("server", "is the identifier of a scope's MCP server, and of nothing else")
    return NameChange(kind=kind, name=given["name"], to=given.get("to", ""), server=server)


def _as_item(rule: NamingRule) -> dict[str, Any]:
    after = rule.proposal.after
    return {
        "name": rule.row.name,
        "before": sentence(rule.proposal.before),
        "after": "" if after is None else sentence(after),
        "item": None if after is None else after.to_mapping(),
        "disabled": rule.proposal.switches_off,
        "problem": rule.proposal.problem,
    }
