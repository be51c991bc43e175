"""`manage.py revoke`: end all access of an agent, a person, … at once, also when the console is down."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz import cut_off


class Command(BaseCommand):
    help = "End all access of one agent, person, authorization, session, MCP server or issuer, or of everybody."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=cut_off.kinds())
        parser.add_argument("id", nargs="?", default="", help="client_id, user name, id, session digest, or URI.")
        parser.add_argument("--preview", action="store_true", help="Say what would end, and change nothing.")
        parser.add_argument("--reason", default="", help="For the audit.")

    def handle(self, *args: Any, **options: Any) -> None:
        kind, identifier, now = options["kind"], options["id"], datetime.now(UTC)
        if bool(identifier) == (kind == "everything"):
            raise CommandError("Name the one to cut off." if not identifier else "“everything” needs no name.")
        try:
            found = cut_off.target(kind, identifier)
        except cut_off.NothingToCut as problem:
            raise CommandError(str(problem)) from None
        if options["preview"]:
            self.stdout.write(f"{cut_off.preview(found, now)} live authorizations would end. {found.stops}")
            return
        ended = cut_off.cut_off(found, kind=kind, reason=options["reason"], by="terminal", now=now)
        self.stdout.write(self.style.SUCCESS(f"{ended} authorizations ended. {found.stops}"))
