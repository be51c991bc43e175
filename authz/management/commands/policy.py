"""`manage.py policy`: why a request is answered as it is, or was; what other rules would change; the rules' history."""

import time
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz import decisions
from authz.database import configuration_cache
from authz.decisions import past_decisions, recorded_questions, rule_check, rule_history, simulation, through_others
from authz.decisions.simulation import Level
from authz.management import policy_expectations, policy_json
from authz.management.as_json import as_json
from authz.management.lookups import whole
from authz.management.operators import administrator
from authz.management.policy_input import (
    event_of,
    hops_of,
    no_demand,
    parse_time,
    query_of,
    rule_ids,
    rules_of,
    scope_of,
    shifts_of,
)
from authz.management.policy_words import (
    by_way_of,
    counted,
    decided,
    explained,
    first_names,
    in_words,
    passed_on,
    warnings,
    warnings_as_json,
    where,
)
from authz.models import RuleChange
from authz.policy import (
    Reach,
    RuleSet,
    compile,
    explain,
    reach,
    sentence,
)
from authz.policy.unmatched import matches_nothing


class Command(BaseCommand):
    help = "Explain one request, now or as it was; check the rules; try others; read or go back in the rules' history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        explaining = actions.add_parser("explain", help="Why one request is answered as it is.")
        replaying = actions.add_parser("replay", help="Why a token was issued or a request refused, then.")
        replaying.add_argument("--event", type=whole(1), help="The id of an event of the audit.")
        replaying.add_argument("--request", help="The reference of an answer: on an error page, in error_uri, in logs.")
        replaying.add_argument("--jti", help="The jti of an access token (--jti=…, should it begin with a dash).")
        replaying.add_argument("--token", help="A file with an access token (- for standard input).")
        replaying.add_argument(
            "--at", type=parse_time, help="Or a past time, such as 2026-11-23T12:00Z, with a request:"
        )
        for asking in (explaining, replaying):
            asking.add_argument("--client", required=asking is explaining, default="", help="Its client_id.")
            asking.add_argument("--user", help="A user name; left out: the agent asks for itself.")
            asking.add_argument("--resource", required=asking is explaining, default="", help="The MCP server's URI.")
            asking.add_argument("--scopes", nargs="+", help="Left out: all that the server has.")
            asking.add_argument("--grant-type", help="Left out: client_credentials, or authorization_code for a user.")
            asking.add_argument("--through", nargs="+", help="The agents that passed it on, the first one first.")
            asking.add_argument("--address", default="", help="The address that it comes from.")
            asking.add_argument("--tool", default="", help="Decide a call of this tool; left out: a token.")
            asking.add_argument("--arguments", default="", help="The call's arguments, as a JSON object.")
            asking.add_argument("--unusual", default="", help="first_use, volume or nothing; left out: not known.")
        reached = actions.add_parser(
            "reach", help="Who can reach an MCP server, and what an agent or a person can reach."
        )
        simulating = actions.add_parser("simulate", help="Who gains and who loses by the rules of a file.")
        complying = actions.add_parser("comply", help="Whether the rules already keep what a file's rules demand.")
        for reaching in (reached, simulating, complying):
            reaching.add_argument("--client", default="", help="Only this agent.")
            reaching.add_argument("--user", default="", help="Only this person (and asks without one).")
            reaching.add_argument("--resource", default="", help="Only this MCP server.")
        checking = actions.add_parser(
            "check", help="Which rules name what does not exist; exit code 1 if one matches nothing."
        )
        checking.add_argument("--json", action="store_true", help="As JSON, for programs.")
        testing = actions.add_parser(
            "test", help="Whether the rules answer as a file of expectations says; exit code 1 if they do not."
        )
        testing.add_argument("file", help="A YAML file with `expectations:`, or - for standard input.")
        testing.add_argument("--rules", help="Test the rules of this configuration file, as if it were applied.")
        testing.add_argument("--prune", action="store_true", help="With --rules: as if its rules were all there are.")
        testing.add_argument("--json", action="store_true", help="As JSON, for programs.")
        differing = actions.add_parser("diff", help="Which rules a file adds, changes and removes, as sentences.")
        differing.add_argument("--days", type=whole(0), default=0, help="And what it changes of so many days.")
        for reading in (simulating, complying, differing):
            reading.add_argument("file", help="A YAML file with `rules:`, or - for standard input.")
            if reading is not complying:
                reading.add_argument("--prune", action="store_true", help="As if its rules were all there are.")
        remembering = actions.add_parser("history", help="Who changed which rule, and when; the newest first.")
        remembering.add_argument("--limit", type=whole(1), default=20)
        for for_programs in (explaining, replaying, reached, simulating, differing, remembering):
            for_programs.add_argument("--json", action="store_true", help="As the API answers it, for programs.")
        restoring = actions.add_parser("restore", help="Make the rules be what they were in a version.")
        restoring.add_argument("version", type=whole(1))
        restoring.add_argument("--by", required=True, help="The user name of the administrator who does it.")
        restoring.add_argument("--dry-run", action="store_true", help="Say what would change, and change nothing.")
        for of_one in (remembering, restoring):
            of_one.add_argument("--rule", default="", help="Only the rule of this name.")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration_cache.begin()
        if options.get("json") and options["action"] in policy_json.ANSWERS:
            self._require_scope(options)
            self.stdout.write(policy_json.answer(options, time.time()))
            return
        match options["action"]:
            case "explain":
                self._explain(options, time.time())
            case "replay":
                self._replay(options)
            case "reach":
                self._reach(options, time.time())
            case "simulate":
                self._simulate(options, time.time())
            case "comply":
                self._comply(options, time.time())
            case "check":
                self._check(as_json=options["json"])
            case "test":
                self._test(options, time.time())
            case "history":
                self._history(options["rule"], options["limit"])
            case "restore":
                self._restore(options)
            case _:
                self._diff(options)

    def _write(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    # --- One request

    def _explain(self, options: dict[str, Any], now: float) -> None:
        question, rules = query_of(options, now), decisions.cached_rules()
        hops = hops_of(options, question, now)
        self._write(passed_on(hops, question.resource))
        question = decisions.answered(question, rules, now)
        found = explain(question, rules, now, decisions.approvals_for(question, rules, now))
        self._write(explained(found, asks_all=not options["scopes"]))

    def _replay(self, options: dict[str, Any]) -> None:
        try:
            if options["at"] is not None:
                if not options["client"] or not options["resource"]:
                    raise CommandError("--at needs a request: at least --client and --resource.")
                found = past_decisions.at(query_of(options, options["at"].timestamp()), options["at"])
            else:
                found = past_decisions.of_event(event_of(options))
        except past_decisions.CannotReplay as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            self.stdout.write(policy_json.replayed(found))
            return
        when = f"{datetime.fromtimestamp(found.moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
        self.stdout.write(f"At {when}, by version {found.number} of the rules ({found.explanation.decision.ruleset}):")
        self._write(explained(found.explanation))
        for note in found.notes:
            self.stdout.write(self.style.WARNING(f"! {note}"))
        if found.today is not None:
            self.stdout.write(f"Today, by {found.today.decision.ruleset} of the rules, the same request:")
            self._write(decided(found.today))

    @staticmethod
    def _require_scope(options: dict[str, Any]) -> None:
        if options["action"] == "reach" and not (options["client"] or options["user"] or options["resource"]):
            raise CommandError("Name an agent, a person or an MCP server: --client, --user, --resource.")

    def _reach(self, options: dict[str, Any], now: float) -> None:
        self._require_scope(options)
        among = scope_of(options)
        machines = not options["user"]
        rows = reach(decisions.cached_rules(), among.agents, among.persons, among.servers, now, machines=machines)
        for row in rows:
            self.stdout.write(f"{self._who(row)} at {where(row)} by {', '.join(row.grant_types)}")
            self._write_levels(row)
        others = through_others.of(among, now, machines=machines, resource=options["resource"])
        for found in others.rows:
            self.stdout.write(f"{self._who(found.reach)} → {by_way_of(found)} → {where(found.reach)}")
            self._write_levels(found.reach)
        if not others.is_complete:
            self.stdout.write(self.style.WARNING("There are more ways through others; name an agent or a person."))
        if not rows and not others.rows:
            self.stdout.write("Out of reach.")

    @staticmethod
    def _who(row: Reach) -> str:
        return f"{first_names(row.clients)} for {first_names([name or 'itself' for name in row.subjects])}"

    def _write_levels(self, row: Reach) -> None:
        for level, scopes in (
            (Level.GRANTED, row.scopes),
            (Level.WAITING, row.waiting),
            (Level.CONDITIONAL, row.conditional),
        ):
            if scopes:
                self.stdout.write(f"    {' '.join(scopes)}: {level}")

    # --- Other rules

    def _simulate(self, options: dict[str, Any], now: float) -> None:
        shifts = shifts_of(options, now, prune=options["prune"])
        for shift in shifts:
            verb = self.style.SUCCESS("gains") if shift.gains else self.style.ERROR("loses")
            calling = f" calling {shift.tool}" if shift.tool else ""
            who = f"{shift.client_id} for {shift.subject or 'itself'}{calling}"
            self.stdout.write(
                f"{verb} {who} at {where(shift)} by {shift.grant_type}: {shift.scope}, {shift.before} → {shift.after}"
            )
        gained = sum(shift.gains for shift in shifts)
        self.stdout.write(f"{gained} gained, {len(shifts) - gained} lost." if shifts else "No one gains or loses.")

    def _comply(self, options: dict[str, Any], now: float) -> None:
        """Whether the current rules already imply those of a file: adding them would take nothing away."""
        given = rules_of(options["file"])
        if problem := no_demand(given):
            raise CommandError(problem)
        new = compile([*simulation.current().values(), *given])
        among = simulation.with_calls(scope_of(options), new)
        broken = [shift for shift in simulation.shifts(decisions.cached_rules(), new, among, now) if not shift.gains]
        for shift in broken:
            who = f"{shift.client_id} for {shift.subject or 'itself'}"
            calling = f" calling {shift.tool}" if shift.tool else ""
            self.stdout.write(f"{who}{calling} at {where(shift)} by {shift.grant_type}: {shift.scope}, {shift.before}")
        if broken:
            raise CommandError(f"The rules do not keep it: {counted(len(broken), 'way')} around it.")
        self.stdout.write(self.style.SUCCESS("The rules keep it: adding these would take nothing away."))

    def _check(self, *, as_json: bool) -> None:
        found = rule_check.check(simulation.current().values())
        self.stdout.write(warnings_as_json(found) if as_json else "\n".join(warnings(found)))
        if any(matches_nothing(parts) for parts in found.values()):
            raise SystemExit(1)

    def _test(self, options: dict[str, Any], now: float) -> None:
        rules = decisions.cached_rules()
        if options["rules"]:
            rules = compile(simulation.proposed(rules_of(options["rules"]), prune=options["prune"]))
        found = policy_expectations.outcomes(options["file"], rules, now)
        broken = [outcome for outcome in found if outcome.problem]
        if options["json"]:
            self.stdout.write(as_json([outcome.as_item() for outcome in found]))
        for outcome in () if options["json"] else found:
            mark = self.style.ERROR("NO") if outcome.problem else self.style.SUCCESS("ok")
            self.stdout.write(f"{mark}  {outcome.name}{outcome.problem and f': {outcome.problem}'}")
        if broken:
            raise CommandError(f"{len(broken)} of {counted(len(found), 'expectation')} not met.")
        if not options["json"]:
            self.stdout.write(f"{counted(len(found), 'expectation')} met.")

    def _diff(self, options: dict[str, Any]) -> None:
        old = simulation.current()
        new = {rule.name: rule for rule in simulation.proposed(rules_of(options["file"]), prune=options["prune"])}
        differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        for name in differing:
            if name in old:
                self.stdout.write(self.style.ERROR(f"- {name}: {old[name].effect}. {sentence(old[name])}"))
            if name in new:
                self.stdout.write(self.style.SUCCESS(f"+ {name}: {new[name].effect}. {sentence(new[name])}"))
        self.stdout.write(
            f"{counted(len(differing), 'rule')} {'differs' if len(differing) == 1 else 'differ'}."
            if differing
            else "No rule differs."
        )
        if options["days"] > 0:
            self._effect(compile(new.values()), options["days"])

    def _effect(self, new: RuleSet, days: int) -> None:
        effect = recorded_questions.impact(decisions.cached_rules(), new, days=days, now=datetime.now(UTC))
        for group in effect.groups:
            calling = f" calling {group.tool}" if group.tool else ""
            who = f"{group.client_id} for {group.subject or 'itself'}{calling} at {group.resource or 'sign-in'}"
            self.stdout.write(f"{group.count} × {who}: {group.before} → {group.after}")
        self.stdout.write(f"{effect.changed} would have been answered otherwise. {effect.looked_at}")
        if effect.left_unknown:
            self.stdout.write(self.style.WARNING(f"! {effect.left_unknown}"))

    # --- History

    def _history(self, name: str, limit: int) -> None:
        rows = RuleChange.objects.filter(rule__in=rule_ids(name)) if name else RuleChange.objects.all()
        for row in rows[:limit]:
            who = " ".join(part for part in (row.author, row.how and f"({row.how})") if part) or "past the console"
            self.stdout.write(f"{row.pk}  {row.time:%Y-%m-%d %H:%M:%S}  {row.action}  {row.name}, by {who}")
            earlier = rule_history.before(row)
            if earlier is not None and row.action != RuleChange.Action.CREATED:
                self.stdout.write(self.style.ERROR(f"    - {in_words(earlier)}"))
            if row.action != RuleChange.Action.REMOVED:
                self.stdout.write(self.style.SUCCESS(f"    + {in_words(row)}"))

    def _restore(self, options: dict[str, Any]) -> None:
        by, version = administrator(options["by"]), options["version"]
        if not 0 < version <= rule_history.number():
            raise CommandError(f"There is no version {version}; the newest is {rule_history.number()}.")
        ids: list[int | None] = [*rule_ids(options["rule"])] if options["rule"] else [None]
        for rule in ids:
            for now, then in rule_history.differing(version, rule).values():
                if now is not None:
                    self.stdout.write(self.style.ERROR(f"- {now.name}: {in_words(now)}"))
                if then is not None:
                    self.stdout.write(self.style.SUCCESS(f"+ {then.name}: {in_words(then)}"))
        if options["dry_run"]:
            return
        try:
            changed = sum(rule_history.restore(version, by=by, how="terminal", rule=rule) for rule in ids)
        except rule_history.CannotRestore as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(
            f"{counted(changed, 'rule')} restored from version {version}." if changed else "Nothing to restore."
        )
