"""`manage.py directory`: the SCIM tokens of a directory, and how it is."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.database import configuration_cache
from xaa.models import Directory, DirectoryToken
from xaa.scim import state, tokens


class Command(BaseCommand):
    help = "Directories (SCIM): show them; make and withdraw the tokens by which they write."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="All directories: last contact, people, groups, tokens.")
        listing.add_argument("--json", action="store_true", help="For programs.")
        making = actions.add_parser("token", help="Make a SCIM token. It is shown once.")
        making.add_argument("directory", help="The directory's name.")
        making.add_argument(
            "--days", type=int, default=tokens.USUAL_DAYS, help=f"How long it is good; {tokens.USUAL_DAYS} if left out."
        )
        withdrawing = actions.add_parser("withdraw", help="Withdraw a SCIM token by its number, or all of a directory.")
        withdrawing.add_argument("directory", help="The directory's name.")
        which = withdrawing.add_mutually_exclusive_group(required=True)
        which.add_argument("--token", type=int, help="Its number, as `directory list` shows it.")
        which.add_argument("--all", action="store_true", help="All of them.")
        for writing in (making, withdrawing):
            writing.add_argument("--by", default="manage.py", help="Your name, for the audit.")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration_cache.begin()
        {"list": self._list, "token": self._token, "withdraw": self._withdraw}[options["action"]](options)

    def _list(self, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        found = [state.of(row, now) for row in Directory.objects.select_related("issuer", "contact")]
        if options["json"]:
            self.stdout.write(json.dumps([one.as_item() for one in found], indent=2))
            return
        for one in found:
            for line in one.lines():
                self.stdout.write(line)
        if not found:
            self.stdout.write("There is no directory yet.")

    def _token(self, options: dict[str, Any]) -> None:
        if not 1 <= options["days"] <= tokens.MOST_DAYS:
            raise CommandError(f"--days is a number from 1 to {tokens.MOST_DAYS}.")
        row = _directory(options["directory"])
        made = tokens.make(row, days=options["days"], by=options["by"], now=datetime.now(UTC))
        self.stdout.write(f"address {state.address()}")
        self.stdout.write(f"token   {made}")
        self.stdout.write(f"It is shown once, and good for {options['days']} days.")

    def _withdraw(self, options: dict[str, Any]) -> None:
        row, now = _directory(options["directory"]), datetime.now(UTC)
        rows = DirectoryToken.objects.filter(directory=row, withdrawn=None)
        if not options["all"]:
            rows = rows.filter(pk=options["token"])
        count = sum(tokens.withdraw(one, by=options["by"], now=now) for one in rows.select_related("directory"))
        if not count:
            raise CommandError("There is no such token that is still good.")
        self.stdout.write(f"Withdrawn: {count}.")


def _directory(name: str) -> Directory:
    found = Directory.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(Directory.objects.values_list("name", flat=True)[:20])
        raise CommandError(f"There is no directory {name[:100]!r}; there are: {names or 'none'}.")
    return found
