"""`manage.py emergency_account`: make, renew and remove accounts for emergencies."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.management.as_json import as_json
from authz.management.operators import operator
from authz.models import User
from authz.sign_in import emergency


class Command(BaseCommand):
    help = "Emergency accounts: an administrator's way in for an hour, loud, when no other way is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="which there are, and whether one was used")
        listing.add_argument("--json", action="store_true")
        for action, told in (
            ("make", "a new one, with its password"),
            ("renew", "another password, after it was used or seen"),
            ("remove", "disable it for good"),
        ):
            actions.add_parser(action, help=told).add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        action, by = options["action"], operator()
        if action == "list":
            self._list(as_text=not options["json"])
            return
        if action == "make":
            try:
                self._show(emergency.make(options["username"], by=by))
            except emergency.EmergencyError as problem:
                raise CommandError(str(problem)) from None
            return
        found = User.objects.filter(username=options["username"], is_emergency=True).first()
        if found is None:
            raise CommandError(f"{options['username']!r} is no emergency account.")
        if action == "renew":
            self._show(emergency.renew(found, by=by))
        else:
            emergency.remove(found, by=by)
            self.stdout.write(f"{found.username} is disabled.")

    def _list(self, *, as_text: bool) -> None:
        found = [(user.username, user.emergency_until) for user in emergency.accounts()]
        if not as_text:
            items = [{"username": name, "open_until": until and until.isoformat()} for name, until in found]
            self.stdout.write(as_json(items))
            return
        for name, until in found:
            self.stdout.write(f"{name}: {f'open until {until:%Y-%m-%d %H:%M} UTC' if until else 'not used'}")

    def _show(self, password: str) -> None:
        self.stdout.write(f"Password: {password}")
        self.stdout.write("It is shown this once. Keep it on paper, in a safe.")
