"""`manage.py requests`: the queue of access requests, from a terminal. The rules are those of the console."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from authz.approvals import access_requests, voting
from authz.approvals.request_items import request_as_item
from authz.approvals.voting import DURATIONS, NotDecided
from authz.management import lookups
from authz.management.as_json import as_json
from authz.management.policy_words import counted
from authz.models import AccessRequest, User


class Command(BaseCommand):
    help = "List access requests and approvals, approve or deny one, or end an approval before its time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="Those that wait, the oldest first.")
        listing.add_argument("--approved", action="store_true", help="The approvals that hold, the first to end first.")
        listing.add_argument("--json", action="store_true", help="As the API answers.")
        approving = actions.add_parser("approve", help="Approve one, for a time.")
        approving.add_argument("--scopes", nargs="+", help="Left out: all that were asked for.")
        approving.add_argument("--for", dest="lasts", choices=list(DURATIONS), default="8h")
        approving.add_argument("--once", action="store_true", help="For one call, of a request for a call.")
        denying = actions.add_parser("deny", help="Deny one, with a reason.")
        for deciding in (approving, denying):
            deciding.add_argument("--comment", required=deciding is denying, default="")
        ending = actions.add_parser("end", help="End an approval before its time.")
        for of_one in (approving, denying, ending):
            of_one.add_argument("id")
            of_one.add_argument("--by", required=True, help="The user name of the person who decides.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        if options["action"] == "list":
            if options["json"]:
                rows = _holding(now) if options["approved"] else access_requests.queue(now)
                self.stdout.write(as_json([request_as_item(row, now) for row in rows]))
            elif options["approved"]:
                self._approved(now)
            else:
                self._list(now)
            return
        found, by = lookups.all_of(lambda: _request(options["id"]), lambda: lookups.person(options["by"], active=False))
        try:
            if options["action"] == "end":
                decided = _ended(found, by, now)
            elif options["action"] == "approve":
                decided = voting.approve(
                    found,
                    by=by,
                    scopes=options["scopes"] or found.scopes,
                    expires=now + DURATIONS[options["lasts"]],
                    comment=options["comment"],
                    now=now,
                    once=options["once"],
                )
            else:
                decided = voting.deny(found, by=by, comment=options["comment"], now=now)
        except NotDecided as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(self.style.SUCCESS(f"{decided.pk} {decided.status}"))

    def _list(self, now: datetime) -> None:
        for row in access_requests.queue(now).select_related("client", "user"):
            subject = row.user.username if row.user else "itself"
            asked = f"{counted(row.asked, 'time')} since {row.first_asked:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"{row.pk}  {row.client.client_id} for {subject} at {row.resource or 'this server'}")
            self.stdout.write(f"    {' '.join(row.scopes)}, {asked}, because of {', '.join(row.context['rules'])}")

    def _approved(self, now: datetime) -> None:
        for row in _holding(now).select_related("client", "user", "decided_by"):
            subject = row.user.username if row.user else "itself"
            by = row.decided_by.username if row.decided_by else "a removed person"
            self.stdout.write(f"{row.pk}  {row.client.client_id} for {subject} at {row.resource or 'this server'}")
            self.stdout.write(f"    {' '.join(row.approved_scopes)} until {row.expires:%Y-%m-%d %H:%M} UTC, by {by}")


def _holding(now: datetime) -> QuerySet[AccessRequest]:
    return AccessRequest.objects.filter(status=AccessRequest.Status.APPROVED, expires__gt=now).order_by("expires")


def _ended(found: AccessRequest, by: User, now: datetime) -> AccessRequest:
    if found.status != AccessRequest.Status.APPROVED or not voting.cancel(found, by=by, now=now):
        raise CommandError("There is no approval to end.")
    found.refresh_from_db()
    return found


def _request(given: str) -> AccessRequest:
    try:
        return AccessRequest.objects.get(pk=UUID(given))
    except (ValueError, AccessRequest.DoesNotExist):
        raise CommandError(f"There is no access request {given!r}: `requests list` lists those that wait.") from None
