"""`manage.py invite`: a link by which a person chooses their first password."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.management import lookups
from authz.management.operators import administrator
from authz.sign_in import invitations


class Command(BaseCommand):
    help = "Invite a person: a link that works once within three days, and voids the former one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--by", required=True, help="The user name of the administrator who invites.")
        parser.add_argument("--mail", action="store_true", help="Send it to the person instead of showing it here.")

    def handle(self, *args: Any, **options: Any) -> None:
        by = administrator(options["by"])
        user = lookups.person(options["username"], active=False)
        if options["mail"] and not invitations.mail_reaches(user):
            raise CommandError("There is no mail server (EMAIL_URL), or the person has no address.")
        try:
            made = invitations.invite(
                user, by=by.username, by_subject=str(by.subject), mail=options["mail"], now=datetime.now(UTC)
            )
        except invitations.CannotInviteError as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(made.link or f"A mail to {made.mailed_to} is on its way.")
        self.stdout.write(f"It works once, until {made.invitation.expires:%Y-%m-%d %H:%M} UTC.")
