"""What `manage.py policy` is asked: its options turned into a request, an event, rules or a selection."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any, cast

from django.core.management.base import CommandError
from django.utils.dateparse import parse_datetime

from authz import decisions
from authz.configuration import ConfigurationError, rules
from authz.configuration.document import Document, read
from authz.configuration.document import Path as DocumentPath
from authz.configuration.sections import Section
from authz.configuration.validation import Mistakes, validated
from authz.decisions import made_up_calls, made_up_chains, past_decisions, simulation
from authz.management import lookups
from authz.management.configuration_files import read_file, refusal, shown_name
from authz.models import AuditEvent, Client, RuleChange
from authz.policy import (
    AccessQuestion,
    Rule,
    RuleSet,
    compile,
    near_miss,
)
from authz.policy.value_kinds import not_this
from authz.protocol import jwts
from authz.sign_in.sign_in import signed_in_now


def parse_time(text: str) -> datetime:
    """A past time with its offset from UTC (`Z` for none), or a date. Raises `ArgumentTypeError`."""
    try:
        found = parse_datetime(text) or datetime.combine(datetime.fromisoformat(text), datetime.min.time())
    except ValueError:
        raise ArgumentTypeError("must be a time such as 2026-11-23T12:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def event_of(options: dict[str, Any]) -> AuditEvent:
    """The event that `--token`, `--jti`, `--request` or `--event` names. Raises `CommandError`, `CannotReplay`."""
    if options["token"]:
        try:
            # The signature doesn't matter: the claims only say where in the audit to look.
            claims = jwts.parse(read_file(options["token"]).strip()).claims
        except jwts.JwtError:
            raise CommandError(f"{shown_name(options['token'])} holds no access token.") from None
        return past_decisions.event_of_token(str(claims.get("jti", "")), str(claims.get("authorization", "")))
    if options["jti"]:
        return past_decisions.event_of_token(options["jti"])
    if options["request"]:
        return past_decisions.event_of_request(options["request"])
    if options["event"] is None:
        raise CommandError("Name an event of the audit, a request, a token, or a time.")
    event = AuditEvent.objects.filter(pk=options["event"]).first()
    if event is None:
        raise CommandError(f"There is no event {options['event']} in the audit.")
    return event


def shifts_of(options: dict[str, Any], now: float, *, prune: bool) -> list[simulation.Shift]:
    new = compile(simulation.proposed(rules_of(options["file"]), prune=prune))
    old = decisions.cached_rules()
    return simulation.shifts(old, new, simulation.with_calls(scope_of(options), old, new), now)


def scope_of(options: dict[str, Any]) -> simulation.Cast:
    """Whose requests a simulation is about. Raises `CommandError` for a name that is not known."""
    try:
        return simulation.cast(client_id=options["client"], username=options["user"], resource=options["resource"])
    except simulation.Unknown as problem:
        raise CommandError(str(problem)) from None


def no_demand(given: list[Rule]) -> str:
    """Why it cannot be said whether such rules are kept; "" if it can."""
    if not given:
        return "A file without rules demands nothing."
    for rule in given:
        if rule.effect == "allow":
            return "Rules that allow demand nothing; write what must not be as deny or require_approval."
        if not rule.enabled:
            return f"“{rule.name}” is disabled, so it demands nothing."
        # A condition that only a real request can meet would count as kept wherever it might be missed.
        if asked := sorted({*rule.conditions.to_mapping()} - {"environments"}):
            return (
                f"“{rule.name}” depends on {', '.join(asked)}, which only a real request has."
                " Leave it out here, or look at the past with `policy diff --days`."
            )
    return ""


def rule_ids(name: str) -> list[int]:
    """The ids of all rules that ever had this name. Raises `CommandError`."""
    found = list(RuleChange.objects.filter(name=name).order_by("rule").values_list("rule", flat=True).distinct())
    if not found:
        names = list(RuleChange.objects.order_by("-id").values_list("name", flat=True)[: near_miss.MAXIMUM_COMPARED])
        near = near_miss.did_you_mean(near_miss.nearest(name, names))
        raise CommandError(f"No rule was ever called {name!r}.{near}")
    return found


def query_of(options: dict[str, Any], now: float, rules: RuleSet | None = None) -> AccessQuestion:
    """The question that the options ask; `rules`: those that decide the hops before it, the stored ones if left out.
    Raises `CommandError` for a name that is not known.
    """
    username, given_type, tool = options["user"], options["grant_type"], options.get("tool") or ""
    client, user, resource, grant_type, address, _ = lookups.all_of(
        lambda: lookups.agent(options["client"]),
        lambda: lookups.person(username, active=False) if username else None,
        lambda: lookups.server(options["resource"]),
        lambda: lookups.grant_type(given_type or ("authorization_code" if username else "client_credentials")),
        lambda: lookups.address(options["address"]),
        lambda: lookups.tool(tool),
    )
    question = decisions.access_question(
        client=client,
        sign_in=signed_in_now(user, now),
        grant_type=grant_type,
        resource=resource,
        scopes=lookups.scopes(options["scopes"] or [], resource) or [scope.name for scope in resource.scopes.all()],
        address=address,
    )
    if path := path_of(options, client):
        before = hops_of(options, question, now, rules)
        question = made_up_chains.with_path(question, path, before)
    given = options.get("arguments")
    try:
        arguments = made_up_calls.read_arguments(given or "", tool) if not isinstance(given, dict) else given
        unusual = made_up_calls.read_unusual(options.get("unusual") or "", tool)
    except made_up_calls.NoCall as problem:
        raise CommandError(str(problem)) from None
    return made_up_calls.with_call(question, tool, made_up_calls.exact(arguments), unusual)


def path_of(options: dict[str, Any], asking: Client) -> tuple[Client, ...]:
    """The agents that a request comes through. Raises `CommandError`."""
    try:
        return made_up_chains.read(options.get("through") or [], asking)
    except made_up_chains.NoChain as problem:
        raise CommandError(str(problem)) from None


def hops_of(
    options: dict[str, Any], question: AccessQuestion, now: float, rules: RuleSet | None = None
) -> list[made_up_chains.Hop]:
    """The hops before the last. Raises `CommandError`."""
    client, username = lookups.agent(options["client"]), options["user"]
    sign_in = signed_in_now(lookups.person(username, active=False) if username else None, now)
    path, rules = path_of(options, client), rules or decisions.cached_rules()
    return made_up_chains.hops(path, client, question.resource, sign_in, rules=rules, now=now)


def rules_of(name: str) -> list[Rule]:
    """The rules in a configuration file. Raises `CommandError`."""
    try:
        return _rules(read(read_file(name)))
    except ConfigurationError as error:
        raise refusal(name, error) from None


def _rules(document: Document) -> list[Rule]:
    """Read as `apply` reads them. Raises `ConfigurationError`."""
    mistakes, given = Mistakes(document), document.data.get(rules.KEY)
    # Otherwise a file without the heading would mean "no rules at all".
    if rules.KEY not in document.data:
        raise ConfigurationError((), "has no section rules")
    if not isinstance(given, list):
        raise ConfigurationError((rules.KEY,), f"must be a list{not_this(given)}", document.line((rules.KEY,)))
    found, section = [], cast("Section", rules)
    for index, item in enumerate(given):
        path: DocumentPath = (rules.KEY, index)
        try:
            validated(section, item, path, document, local=True)
            # Without it, the rule is for every grant, as for `apply`.
            found.append(Rule.from_mapping({"grant_types": ["*"], **item}))
        except ConfigurationError as error:
            mistakes.add_item(section, path, item, error)
    mistakes.require_none()
    return found
