"""`manage.py signals`: the streams of security events that are received, and what they did."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.protocol.errors import OAuthError
from xaa.models import ReceivedSignal, SignalSource, SignalSourceToken
from xaa.signals.event_types import StreamStatus
from xaa.signals.receiving import holding, inbox, keys, releasing, state, transmitter
from xaa.signals.receiving.transmitter import TransmitterError
from xaa.signals.receiving.writing import as_item


class Command(BaseCommand):
    help = (
        "Security events of trusted issuers: show and manage their streams, hold and release them, undo what they did."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="All sources: last event, status, what waits, tokens.")
        listing.add_argument("--json", action="store_true", help="For programs.")
        events = actions.add_parser("events", help="What a source said last, and what came of it.")
        events.add_argument("--json", action="store_true", help="For programs.")
        events.add_argument("--most", type=int, default=20, help="How many; 20 if left out.")
        making = actions.add_parser("token", help="Make a token that the source pushes with. It is shown once.")
        making.add_argument("--days", type=int, default=keys.USUAL_DAYS, help=f"{keys.USUAL_DAYS} if left out.")
        withdrawing = actions.add_parser("withdraw", help="Withdraw such a token by its number, or all of a source.")
        which = withdrawing.add_mutually_exclusive_group(required=True)
        which.add_argument("--token", type=int, help="Its number, as `signals list` shows it.")
        which.add_argument("--all", action="store_true", help="All of them.")
        creating = actions.add_parser("create", help="Make the stream at the transmitter.")
        updating = actions.add_parser("update", help="Tell the transmitter anew which events are wanted.")
        updating.add_argument("--new-token", action="store_true", help="With a new token; the earlier ones go.")
        deleting = actions.add_parser("delete", help="Delete the stream at the transmitter.")
        verifying = actions.add_parser("verify", help="Ask for an event that shows that the stream works.")
        status = actions.add_parser("status", help="Ask the transmitter for the stream's status, or set it.")
        holding_ = actions.add_parser("hold", help="Hold a source: its events wait.")
        releasing_ = actions.add_parser("release", help="Act on all that waits, and go on.")
        discarding = actions.add_parser("discard", help="Drop all that waits, and go on.")
        undoing = actions.add_parser("undo", help="Give back what a source ended, as far as it can be given back.")
        undoing.add_argument("--hours", type=float, default=24, help="What it did within so many hours; 24.")
        writing = (creating, updating, deleting, holding_, releasing_, discarding, undoing, making, withdrawing, status)
        for one in (*writing, events, verifying):
            one.add_argument("source", help="The source's name.")
        status.add_argument("to", nargs="?", choices=[one.value for one in StreamStatus], help="What it shall be.")
        for one in writing:
            one.add_argument("--by", default="manage.py", help="Your name, for the audit.")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration_cache.begin()
        if options["action"] == "list":
            self._list(options)
            return
        source = _source(options["source"])
        try:
            getattr(self, f"_{options['action']}")(source, options, datetime.now(UTC))
        except TransmitterError as error:
            raise CommandError(str(error)) from None

    def _list(self, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        found = [state.of(row, now) for row in SignalSource.objects.select_related("issuer")]
        if options["json"]:
            self.stdout.write(json.dumps([one.as_item() for one in found], indent=2))
            return
        for one in found:
            for line in one.lines():
                self.stdout.write(line)
        if not found:
            self.stdout.write("There is no source of signals yet.")

    def _events(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        found = ReceivedSignal.objects.filter(source=source).select_related("source", "user")[: max(1, options["most"])]
        if options["json"]:
            self.stdout.write(json.dumps([as_item(row) for row in found], indent=2))
            return
        for row in found:
            who = row.user.username if row.user else "—"
            event = row.event_type.rpartition("/")[2]
            self.stdout.write(f"{row.received:%Y-%m-%d %H:%M:%S}  {event:28} {who:24} {row.outcome:10} {row.note}")

    def _token(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        if not 1 <= options["days"] <= keys.MOST_DAYS:
            raise CommandError(f"--days is a number from 1 to {keys.MOST_DAYS}.")
        made = keys.make_token(source, days=options["days"], by=options["by"], now=now)
        self.stdout.write(f"address {state.address()}")
        self.stdout.write(f"token   {made}")
        self.stdout.write(f"It is shown once, and good for {options['days']} days.")

    def _withdraw(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        rows = SignalSourceToken.objects.filter(source=source, withdrawn=None)
        if not options["all"]:
            rows = rows.filter(pk=options["token"])
        count = sum(keys.withdraw_token(one, by=options["by"], now=now) for one in rows.select_related("source"))
        if not count:
            raise CommandError("There is no such token that is still good.")
        self.stdout.write(f"Withdrawn: {count}.")

    def _create(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        found = transmitter.create(source, by=options["by"], now=now)
        self.stdout.write(f"The stream is {found.stream_id}; its aud is {', '.join(found.audience)}.")

    def _update(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        transmitter.update(source, by=options["by"], now=now, new_token=options["new_token"])
        self.stdout.write("The stream is updated.")

    def _delete(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        transmitter.delete(source, by=options["by"])
        self.stdout.write("The stream is deleted there. The source stays here.")

    def _verify(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        transmitter.verify(source, now=now)
        self.stdout.write("It was asked for. `signals list` shows when it has come.")

    def _status(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        if options["to"] is None:
            self.stdout.write(transmitter.ask_status(source, now=now))
            return
        self.stdout.write(transmitter.set_status(source, StreamStatus(options["to"]), by=options["by"], now=now))

    def _hold(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        inbox.state_of(source)
        with unit_of_work():
            done = holding.hold(source, because=f"By {options['by']}.", by=options["by"], now=now)
        self.stdout.write("It is held." if done else "It was held already.")

    def _release(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        inbox.state_of(source)
        try:
            done = releasing.release(source, by=options["by"], now=now)
        except OAuthError as error:
            raise CommandError(error.sentence) from None
        self.stdout.write(f"Released. Events that waited: {done}.")

    def _discard(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        inbox.state_of(source)
        self.stdout.write(f"Dropped: {holding.discard(source, by=options['by'], now=now)}.")

    def _undo(self, source: SignalSource, options: dict[str, Any], now: datetime) -> None:
        since = now - timedelta(hours=options["hours"])
        done = holding.undo_since(source, since, by=options["by"], now=now)
        self.stdout.write(f"Events undone: {done}. Ended sign-ins and authorizations never come back.")


def _source(name: str) -> SignalSource:
    found = SignalSource.objects.select_related("issuer").filter(name=name).first()
    if found is None:
        names = ", ".join(SignalSource.objects.values_list("name", flat=True)[:20])
        raise CommandError(f"There is no source {name[:100]!r}; there are: {names or 'none'}.")
    return found
