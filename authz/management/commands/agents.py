"""`manage.py agents`: owners, approvals and their end dates, and decisions about one agent."""

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from authz.approvals import agent_lifecycle, succession
from authz.approvals.agent_lifecycle import Terms
from authz.configuration.agent_items import agent_as_item
from authz.management import lookups
from authz.management.as_json import as_json
from authz.management.policy_words import counted
from authz.models import Client, User
from authz.policy import RuleError
from authz.policy.parsing import parse_time
from authz.protocol.display_names import UNSEEN, has_unseen

Status = Client.Status
MOVES = {"approve": Status.APPROVED, "suspend": Status.SUSPENDED, "retire": Status.RETIRED}


class Command(BaseCommand):
    help = "Show an agent; list agents that need attention; approve, renew, suspend or retire one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        showing = actions.add_parser(
            "show", help="One agent's approval: who gave it, for which environment, until when."
        )
        showing.add_argument("--environment", help="Fail unless it is approved for this environment now.")
        listing = actions.add_parser("list", help="All of them, or those of one status.")
        listing.add_argument(
            "--status", choices=Status.values, help="Such as pending: agents that wait for an approval."
        )
        unused = actions.add_parser("unused", help="Approved agents that got no token for some days.")
        unused.add_argument("--days", type=lookups.whole(1), default=90)
        ending = actions.add_parser("ending", help="Those whose approval ends within some days, or has ended.")
        ending.add_argument("--days", type=lookups.whole(1), default=agent_lifecycle.SOON.days)
        ownerless = actions.add_parser("ownerless", help="Agents without an active owner.")
        approving = actions.add_parser("approve", help="Approve one, or renew its approval.")
        approving.add_argument("--owner", help="The owner's user name. Left out: unchanged.")
        approving.add_argument("--environment", help="Such as production. Left out: unchanged.")
        approving.add_argument("--until", help=f"A date. Left out: {agent_lifecycle.USUAL.days} days from now.")
        suspending = actions.add_parser(
            "suspend", help="Suspend one. Its authorizations stay, and work again after a new approval."
        )
        retiring = actions.add_parser("retire", help="Retire one for good, and end all its authorizations.")
        for reading in (showing, listing, unused, ending, ownerless):
            reading.add_argument("--json", action="store_true", help="As the API answers.")
        for of_one in (showing, approving, suspending, retiring):
            of_one.add_argument("client_id")
        for deciding in (approving, suspending, retiring):
            deciding.add_argument("--by", required=True, help="The user name of the person who decides.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        match options["action"]:
            case "show":
                self._show(lookups.agent(options["client_id"]), options, now)
            case "list":
                rows = Client.objects.select_related("owner", "successor", "approved_by").order_by("client_id")
                self._list(rows.filter(status=options["status"]) if options["status"] else rows, options, now)
            case "unused":
                self._list(agent_lifecycle.unused(now, timedelta(days=options["days"])), options, now)
            case "ending":
                soon = agent_lifecycle.ending(now, timedelta(days=options["days"]))
                self._list([*agent_lifecycle.ended(now), *soon], options, now)
            case "ownerless":
                self._list(agent_lifecycle.ownerless(), options, now)
            case action:
                self._decide(lookups.agent(options["client_id"]), MOVES[action], options, now)

    def _show(self, client: Client, options: dict[str, Any], now: datetime) -> None:
        environment = options["environment"]
        self.stdout.write(json.dumps(agent_as_item(client), indent=2) if options["json"] else _line(client, now))
        is_approved = client.is_approved(now.timestamp())
        if environment is not None and not (is_approved and client.environment == environment):
            raise CommandError(f"It is not approved for {environment}.")

    def _list(self, clients: Iterable[Client], options: dict[str, Any], now: datetime) -> None:
        found = list(clients)
        if options["json"]:
            self.stdout.write(as_json([agent_as_item(client) for client in found]))
            return
        for client in found:
            self.stdout.write(_line(client, now))
        self.stdout.write(f"{counted(len(found), 'agent')}.")

    def _decide(self, client: Client, to: str, options: dict[str, Any], now: datetime) -> None:
        by = lookups.person(options["by"])
        if by.role not in (User.Role.ADMINISTRATOR, User.Role.APPROVER):
            raise CommandError("Only administrators and approvers decide about agents.")
        try:
            if not agent_lifecycle.change_status(client, to, by=by, now=now, terms=_terms(options)):
                raise CommandError(f"From {client.status} it cannot become {to}, or it was changed meanwhile.")
        except PermissionDenied as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(self.style.SUCCESS(_line(lookups.agent(client.client_id), now)))


def _terms(options: dict[str, Any]) -> Terms:
    try:
        until = parse_time(options["until"], "--until", end_of_day=True) if options.get("until") else None
    except RuleError as error:
        raise CommandError(str(error)) from None
    if has_unseen(options.get("environment") or ""):
        raise CommandError(f"--environment {UNSEEN}.")
    return Terms(
        owner=lookups.person(options["owner"]) if options.get("owner") else None,
        environment=options.get("environment"),
        until=None if until is None else datetime.fromtimestamp(until, UTC),
    )


def _line(client: Client, now: datetime) -> str:
    """Such as `nightly-report: approved for production by bob until 2027-05-22, owned by alice`."""
    owner = client.owner
    disabled = "" if owner is None or owner.is_active else ", who is disabled"
    owned = "without owner" if owner is None else f"owned by {owner.username}{disabled}"
    if ends := succession.suspended_from(client):
        owned += f", suspended on {ends:%Y-%m-%d %H:%M} UTC without another"
    if client.successor is not None:
        owned += f", then by {client.successor.username}"
    if client.status != Status.APPROVED:
        return f"{client.client_id}: {client.status}, {owned}"
    state = "approved" if client.is_approved(now.timestamp()) else "approval ended; was approved"
    what = f" for {client.environment}" if client.environment else ""
    by = f" by {client.approved_by.username}" if client.approved_by else ""
    until = f" until {client.approved_until:%Y-%m-%d %H:%M} UTC" if client.approved_until else " without an end"
    return f"{client.client_id}: {state}{what}{by}{until}, {owned}"
