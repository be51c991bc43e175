"""`/policy`: explains a decision, and shows who can reach what and what other rules would change. Read-only."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from authz import decisions, resources
from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import (
    ANY,
    EXPLANATION,
    REACH,
    RULE_WARNINGS,
    SHIFTS,
    SWITCH,
    TEXT,
    Parameter,
    a_list,
    mapping,
)
from authz.api.framework.view import ApiView
from authz.decisions import items, made_up_calls, made_up_chains, rule_check, simulation, through_others
from authz.decisions.made_up_chains import Hop
from authz.models import Client, ProtectedResource, User
from authz.policy import AccessQuestion, Rule, RuleError, compile, explain, reach
from authz.policy.unmatched import Unmatched, matches_nothing
from authz.protocol.errors import OAuthError
from authz.sign_in.sign_in import signed_in_now

READS_RULES = "authz.view_rule"
# The most rows of an answer; narrow the query for the rest.


class Explain(ApiView):
    """One request: granted and refused scopes, and the field on which each other rule does not match."""

    requires = {"GET": READS_RULES}
    query = {
        "GET": {
            "client_id": Parameter("The agent.", required=True),
            "username": "The person; left out: the agent itself.",
            "resource": Parameter("The MCP server.", required=True),
            "scope": "Separated by spaces; left out: all that the server has.",
            "through": "The agents that passed it on, by client_id, the first one first; left out: it asks directly.",
            "grant_type": "Left out: authorization_code for a person, client_credentials for itself.",
            "address": "Where it comes from.",
            "tool": "Decide a call of this tool; left out: a token.",
            "arguments": "The call's arguments, as a JSON object.",
            "unusual": "What is unusual about the call: first_use, volume, or nothing. Left out: not known.",
        }
    }
    answers = {"GET": EXPLANATION}

    def get(self, request: Request) -> Response:
        given = self.given
        now = time.time()
        question, hops = come_through(ask_of(given, now), given, now)
        rules = decisions.cached_rules()
        question = decisions.answered(question, rules, now)
        found = explain(question, rules, now, decisions.approvals_for(question, rules, now))
        return Response(items.explanation_as_item(found) | made_up_chains.as_item(hops, question.resource))


class Warnings(ApiView):
    """Rules that name something that does not exist, such as a mistyped agent: each with a sentence and the name that
    was probably meant. `matches_nothing`: the rule has no effect at all. Rules without such a part are left out.
    """

    requires = {"GET": READS_RULES}
    answers = {"GET": RULE_WARNINGS}

    def get(self, request: Request) -> Response:
        found = rule_check.check(simulation.current().values())
        return Response({"items": [warnings_as_item(name, parts) for name, parts in found.items()]})


def warnings_as_item(name: str, parts: Sequence[Unmatched]) -> dict[str, Any]:
    return {
        "rule": name,
        "matches_nothing": matches_nothing(parts),
        "parts": [rule_check.as_item(part) for part in parts],
    }


def ask_of(given: dict[str, str], now: float) -> AccessQuestion:
    """The request of a query's parameters. Raises `Problem`."""
    client = Client.objects.select_related("owner").filter(client_id=given.get("client_id", "")).first()
    if client is None:
        raise invalid("client_id", "is needed, and names no agent")
    user = User.objects.filter(username=given["username"]).first() if "username" in given else None
    if "username" in given and user is None:
        raise invalid("username", "is no user name")
    resource = resource_of(given.get("resource", ""))
    question = decisions.access_question(
        client=client,
        # Requirements beyond a sign-in of this moment are shown as missing.
        sign_in=signed_in_now(user, now),
        grant_type=given.get("grant_type") or ("authorization_code" if user else "client_credentials"),
        resource=resource,
        scopes=given["scope"].split() if "scope" in given else list(resources.scopes_of(resource)),
        address=given.get("address", ""),
    )
    tool = given.get("tool", "")
    try:
        arguments = made_up_calls.read_arguments(given.get("arguments", ""), tool)
    except made_up_calls.NoCall as problem:
        raise invalid("arguments", str(problem)) from None
    try:
        unusual = made_up_calls.read_unusual(given.get("unusual", ""), tool)
    except made_up_calls.NoCall as problem:
        raise invalid("unusual", str(problem)) from None
    return made_up_calls.with_call(question, tool, arguments, unusual)


def come_through(question: AccessQuestion, given: dict[str, str], now: float) -> tuple[AccessQuestion, list[Hop]]:
    """The request as it comes through others, and each hop before the last. Raises `Problem`."""
    asking = Client.objects.get(client_id=question.client_id)
    try:
        path = made_up_chains.read(given.get("through", "").split(), asking)
    except made_up_chains.NoChain as problem:
        raise invalid("through", str(problem)) from None
    user = User.objects.filter(username=question.subject).first() if question.subject else None
    sign_in, rules = signed_in_now(user, now), decisions.cached_rules()
    hops = made_up_chains.hops(path, asking, question.resource, sign_in, rules=rules, now=now)
    return made_up_chains.with_path(question, path, hops), hops


def resource_of(uri: str) -> ProtectedResource:
    """The MCP server that a parameter names. Raises `Problem`."""
    try:
        return resources.requested(uri)
    except OAuthError:
        raise invalid("resource", "is needed, and names no MCP server") from None


class ReachView(ApiView):
    """Who can reach this MCP server, and through which agents? What can this agent reach? Name at least one.

    `through`: what is reached because a server that is called asks the next one, with the way there in `path`.
    """

    requires = {"GET": READS_RULES}
    query = {"GET": {"client_id": "Only this agent.", "username": "Only this person.", "resource": "Only there."}}
    answers = {"GET": REACH}

    def get(self, request: Request) -> Response:
        given = self.given
        if not given:
            raise Problem(400, "Name a client_id, a username or a resource.")
        among, now = cast_of(given), time.time()
        machines = not given.get("username")
        rows = reach(decisions.cached_rules(), among.agents, among.persons, among.servers, now, machines=machines)
        others = through_others.of(among, now, machines=machines, resource=given.get("resource", ""))
        return Response(items.reaches_as_item(rows, others))


class Simulate(ApiView):
    """Who would gain and who would lose access with other rules, before they are saved."""

    requires = {"POST": READS_RULES}
    takes = {"POST": mapping(rules=a_list(ANY), prune=SWITCH, client_id=TEXT, username=TEXT, resource=TEXT)}
    answers = {"POST": SHIFTS}

    def post(self, request: Request) -> Response:
        given = self.body(request)
        prune = given.get("prune", False)
        if not isinstance(prune, bool):
            raise invalid("prune", "is true or false")
        only = {name: given.get(name, "") for name in ("client_id", "username", "resource")}
        for name, value in only.items():
            if not isinstance(value, str):
                raise invalid(name, "is a text")
        try:
            new = compile(simulation.proposed(rules_of(given.get("rules")), prune=prune))
        except RuleError as error:
            raise invalid("rules", str(error)) from None
        old = decisions.cached_rules()
        among = simulation.with_calls(cast_of(only), old, new)
        return Response(items.shifts_as_item(simulation.shifts(old, new, among, time.time())))


def cast_of(given: Mapping[str, str]) -> simulation.Cast:
    """The agents, people and servers of a simulation. Raises `Problem`."""
    names = {name: given.get(name, "") for name in ("client_id", "username", "resource")}
    try:
        return simulation.cast(**names)
    except simulation.Unknown as problem:
        raise Problem(400, str(problem)) from None


def rules_of(given: object) -> Sequence[Rule]:
    """The rules in the body, as the policy engine's. Raises `Problem`."""
    if not isinstance(given, list) or len(given) > items.MAXIMUM_RULES:
        raise invalid("rules", f"is a list of at most {items.MAXIMUM_RULES} rules, as in the configuration file")
    return list(_rules(given))


def _rules(given: list[object]) -> Iterator[Rule]:
    for index, item in enumerate(given):
        if not isinstance(item, dict):
            raise invalid("rules", f"{index} is not a mapping")
        try:
            # If it is left out, the rule is for every grant, as in `apply`.
            yield Rule.from_mapping({"grant_types": ["*"], **item})
        except RuleError as error:
            raise Problem(
                422, f"rules.{index}: {error}", errors=[(f"#/rules/{index}/{error.field}", error.problem)]
            ) from None
