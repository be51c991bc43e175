"""`manage.py policy`: why an ask is answered as it is, and what other rules would change, before they are saved."""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz import decisions, simulation, snapshot
from authz.configuration import ConfigurationError
from authz.configuration.document import read
from authz.models import Client, ProtectedResource, User
from authz.policy import Ask, Explanation, Rule, RuleError, compile, explain, sentence


class Command(BaseCommand):
    help = "Explain one ask; say who would gain and who would lose by other rules; or how those differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        explaining = actions.add_parser("explain", help="Why one ask is answered as it is.")
        explaining.add_argument("--client", required=True, help="Its client_id.")
        explaining.add_argument("--user", help="A user name; left out: the agent asks for itself.")
        explaining.add_argument("--resource", required=True, help="The MCP server's URI.")
        explaining.add_argument("--scopes", nargs="+", help="Left out: all that the server has.")
        explaining.add_argument("--grant-type", help="Left out: client_credentials, or authorization_code for a user.")
        explaining.add_argument("--address", default="", help="The address that it comes from.")
        simulating = actions.add_parser("simulate", help="Who gains and who loses by the rules of a file.")
        simulating.add_argument("--client", default="", help="Only this agent.")
        simulating.add_argument("--user", default="", help="Only this person (and asks without one).")
        simulating.add_argument("--resource", default="", help="Only this MCP server.")
        differing = actions.add_parser("diff", help="Which rules a file adds, changes and removes, as sentences.")
        for reading in (simulating, differing):
            reading.add_argument("file", help="A YAML file with `rules:`, or - for standard input.")
            reading.add_argument("--prune", action="store_true", help="As if its rules were all there are.")

    def handle(self, *args: Any, **options: Any) -> None:
        snapshot.begin()
        match options["action"]:
            case "explain":
                self._explain(options, time.time())
            case "simulate":
                self._simulate(options, time.time())
            case _:
                self._diff(options)

    def _explain(self, options: dict[str, Any], now: float) -> None:
        question = _question(options, now)
        explanation = explain(
            question, decisions.rule_set(), now, decisions.approvals_for(question, decisions.rule_set(), now)
        )
        decision = explanation.decision
        self.stdout.write(f"{decision.effect.upper()}: {decision.reason.replace('_', ' ')}")
        for scope in explanation.scopes:
            granted = "granted" if scope.name in decision.scopes else "not granted"
            waiting = "waits for an approval" if scope.name in decision.waiting else granted
            self.stdout.write(f"  {scope.name}: {waiting}")
        if decision.lifetime is not None:
            self.stdout.write(f"  for at most {decision.lifetime} seconds a token")
        self._rules(explanation)

    def _rules(self, explanation: Explanation) -> None:
        for rule in explanation.rules:
            self.stdout.write(f"{'+' if not rule.mismatches else '-'} {rule.name}: {rule.sentence}")
            for missed in rule.mismatches:
                self.stdout.write(f"    {missed.field}: wants {missed.wanted}; the ask has {missed.asked}")

    def _simulate(self, options: dict[str, Any], now: float) -> None:
        new = compile(simulation.proposed(_rules_of(options["file"]), prune=options["prune"]))
        among = simulation.cast(client_id=options["client"], username=options["user"], resource=options["resource"])
        shifts = simulation.shifts(decisions.rule_set(), new, among, now)
        for shift in shifts:
            verb = self.style.SUCCESS("gains") if shift.gains else self.style.ERROR("loses")
            who = f"{shift.client_id} for {shift.subject or 'itself'}"
            self.stdout.write(
                f"{verb} {who} at {shift.resource} by {shift.grant_type}: {shift.scope}, {shift.before} → {shift.after}"
            )
        gained = sum(shift.gains for shift in shifts)
        self.stdout.write(f"{gained} gained, {len(shifts) - gained} lost." if shifts else "Nobody gains or loses.")

    def _diff(self, options: dict[str, Any]) -> None:
        old = simulation.current()
        new = {rule.name: rule for rule in simulation.proposed(_rules_of(options["file"]), prune=options["prune"])}
        differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        for name in differing:
            if name in old:
                self.stdout.write(self.style.ERROR(f"- {name}: {old[name].effect}. {sentence(old[name])}"))
            if name in new:
                self.stdout.write(self.style.SUCCESS(f"+ {name}: {new[name].effect}. {sentence(new[name])}"))
        self.stdout.write(f"{len(differing)} rules differ." if differing else "No rule differs.")


def _question(options: dict[str, Any], now: float) -> Ask:
    client = Client.objects.select_related("owner").filter(client_id=options["client"]).first()
    if client is None:
        raise CommandError(f"No agent has the client_id {options['client']!r}.")
    user = User.objects.filter(username=options["user"]).first() if options["user"] else None
    if options["user"] and user is None:
        raise CommandError(f"Nobody is called {options['user']!r}.")
    resource = ProtectedResource.objects.prefetch_related("scopes").filter(identifier=options["resource"]).first()
    if resource is None:
        raise CommandError(f"No MCP server has the identifier {options['resource']!r}.")
    return decisions.ask(
        client=client,
        user=user,
        grant_type=options["grant_type"] or ("authorization_code" if user else "client_credentials"),
        resource=resource,
        scopes=options["scopes"] or [scope.name for scope in resource.scopes.all()],
        # As if the person had just signed in.
        auth_time=now if user else None,
        address=options["address"],
    )


def _rules_of(name: str) -> list[Rule]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        document = read(text)
    except (OSError, UnicodeDecodeError, ConfigurationError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from None
    given = document.data.get("rules")
    # A file without the heading would otherwise be taken for "no rules at all".
    if not isinstance(given, list):
        raise CommandError(f"{name}: `rules:` must be a list.")
    rules = []
    for index, item in enumerate(given):
        try:
            # Left out, it speaks of every grant, as for `apply`.
            rules.append(Rule.from_mapping({"grant_types": ["*"], **item} if isinstance(item, dict) else item))
        except RuleError as error:
            raise CommandError(f"{name}: line {document.line(('rules', index))}: {error}") from None
    return rules
