"""`manage.py end_access`: end all access of an agent, a person and so on. It also works when the console is down."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.authorizations import cut_off
from authz.management import lookups

_NAMED: Mapping[str, Callable[[str], object]] = {
    "client": lookups.agent,
    "person": lookups.person,
    "resource": lookups.server,
}


class Command(BaseCommand):
    help = (
        "End all access of one agent, person, authorization, session, MCP server, rule, issuer or document version, or"
        f" of all agents. {cut_off.GONE_FOR_GOOD}"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=cut_off.kinds())
        parser.add_argument(
            "id", nargs="?", default="", help="client_id, user name, id, a rule's name, session digest, URI, digest."
        )
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--preview", action="store_true", help="Say what would end, and change nothing.")
        choice.add_argument("--undo", action="store_true", help="Allow new requests. Ended authorizations stay ended.")
        parser.add_argument("--reason", default="", help="For the audit.")

    def handle(self, *args: Any, **options: Any) -> None:
        kind, identifier, now = options["kind"], options["id"], datetime.now(UTC)
        if bool(identifier) == (kind == "everything"):
            raise CommandError("Name the one whose access ends." if not identifier else "“everything” needs no name.")
        try:
            found = cut_off.target(kind, identifier)
            if options["undo"]:
                after = cut_off.undo(cut_off.last(kind, identifier), by="terminal", now=now)
                told = ", ".join(f"{name} {value}" for name, value in cut_off.in_short(after).items())
                self.stdout.write(self.style.SUCCESS(f"Access can be requested again: {told}. {cut_off.GONE_FOR_GOOD}"))
                return
        except cut_off.NothingToCut as problem:
            if kind in _NAMED:
                _NAMED[kind](identifier)  # says the name that was probably meant
            raise CommandError(str(problem)) from None
        except cut_off.NothingToUndo as problem:
            raise CommandError(str(problem)) from None
        if options["preview"]:
            self._tell(cut_off.preview(found, now))
            self.stdout.write(found.stops)
            return
        row = cut_off.cut_off(found, kind=kind, identifier=identifier, reason=options["reason"], by="terminal", now=now)
        ended = _counted(row.counts["authorizations"], "authorizations")
        self.stdout.write(self.style.SUCCESS(f"{ended} ended. {found.stops}"))
        if row.can_be_undone:
            self.stdout.write(
                f"After `end_access {kind} {identifier} --undo`, access can be requested again. {cut_off.GONE_FOR_GOOD}"
            )

    def _tell(self, reckoning: cut_off.Reckoning) -> None:
        self.stdout.write(f"{_counted(reckoning.ended, 'live authorizations')} would end.")
        for name, count in reckoning.counts.items():
            if count and name != "authorizations":
                self.stdout.write(f"  {_counted(count, name)}")
        for line in reckoning.first:
            self.stdout.write(f"  - {line}")


def _counted(count: int, plural: str) -> str:
    return f"{count} {plural}" if count != 1 else f"1 {'person' if plural == 'people' else plural.removesuffix('s')}"
