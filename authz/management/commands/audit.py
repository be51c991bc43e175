import json
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz import audit
from authz.audit import queries
from authz.audit.console_events import ConsoleEvent
from authz.conf import conf
from authz.evidence import checkpoint_keys, proofs, sealer
from authz.evidence.delivery import FORMATS
from authz.evidence.notes import NoteError, Verifier, read_notes
from authz.evidence.status import MAX_EVENTS, waiting
from authz.evidence.verify import Report, verify
from authz.management import audit_events
from authz.management.configuration_files import read_file
from authz.management.lookups import whole
from authz.management.operators import operator
from authz.management.policy_words import counted

SHOWN = 200


class Command(BaseCommand):
    help = "The audit: find events, and as evidence verify it, prove an event, show its checkpoint and keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        audit_events.add_arguments(actions.add_parser("events", help="find events: whose, about what, and when"))
        check = actions.add_parser("verify", help="prove that nothing was changed, removed, inserted or reordered")
        check.add_argument("--from", dest="since", help="an event's id or a time (ISO 8601)")
        check.add_argument("--to", dest="until", help="an event's id or a time (ISO 8601)")
        check.add_argument("--checkpoint", type=Path, action="append", default=[], help="checkpoints kept elsewhere")
        check.add_argument("--key", action="append", help="the verifier key to trust, instead of those we hold")
        check.add_argument("--json", action="store_true", help="print the verdict as JSON, for programs")
        actions.add_parser("seal", help="seal now what waits for its seal, as the server does every few seconds")
        proof = actions.add_parser("proof", help="the proof that one event is in the audit, as JSON")
        proof.add_argument("event", type=whole(1))
        proof.add_argument("--checkpoint", type=Path, help="prove it against this one")
        consistency = actions.add_parser("consistency", help="the proof that a checkpoint continues another, as JSON")
        consistency.add_argument("old", type=Path)
        consistency.add_argument("new", type=Path, nargs="?", help="left out: the latest")
        export = actions.add_parser("export", help="sealed events, archived ones too, one a line")
        export.add_argument("--format", choices=sorted(FORMATS), default="jsonl")
        export.add_argument("--from", dest="since", help="an event's id or a time (ISO 8601)")
        export.add_argument("--to", dest="until", help="an event's id or a time (ISO 8601)")
        actions.add_parser("checkpoint", help="the latest checkpoint, to keep where the database's owner cannot reach")
        keys = actions.add_parser("keys", help="the verifier keys")
        keys.add_argument("--rotate", action="store_true", help="let a new key sign from the next checkpoint on")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, options["action"])(options)

    def events(self, options: dict[str, Any]) -> None:
        for line in audit_events.lines(options):
            self.stdout.write(line)

    def verify(self, options: dict[str, Any]) -> None:
        try:
            verifiers = [Verifier.parse(key) for key in options["key"] or ()] or checkpoint_keys.verifiers()
        except NoteError as error:
            raise CommandError(str(error)) from None
        report = verify(
            verifiers,
            since_id=_event_id(options["since"]),
            until_id=_event_id(options["until"], last=True),
            kept=[note for path in options["checkpoint"] for note in read_notes(read_file(str(path)))],
            archives=conf.audit_directory,
            progress=self._progress,
        )
        if self.stderr.isatty():
            self.stderr.write("")
        if options["json"]:
            self.stdout.write(_as_json(report))
        else:
            self._tell(report)
            self._tell_what_waits()
        if report.findings:
            sys.exit(1)

    def _progress(self, done: int, total: int) -> None:
        if self.stderr.isatty():
            filled = 40 * done // max(total, 1)
            self.stderr.write(f"\r[{'#' * filled}{'.' * (40 - filled)}] {done:,} of {total:,}", ending="")

    def _tell(self, report: Report) -> None:
        for finding in report.findings[:SHOWN]:
            self.stdout.write(str(finding))
        if len(report.findings) > SHOWN:
            self.stdout.write(f"… and {len(report.findings) - SHOWN} more")
        held = f", {counted(report.checkpoints, 'kept checkpoint')}" if report.checkpoints else ""
        verdict = counted(len(report.findings), "finding") if report.findings else "all is as it was sealed"
        looked_at = f"{counted(report.events, 'event')} in {counted(report.segments, 'segment')}"
        self.stdout.write(f"{looked_at} up to {report.size}{held}: {verdict}")

    def _tell_what_waits(self) -> None:
        """What the verdict says nothing of: who could change it now would leave no trace yet."""
        count, since = waiting()
        if since is None:
            self.stdout.write("every event is sealed")
            return
        number = f"{count} or more" if count == MAX_EVENTS else str(count)
        verb = "event is" if count == 1 else "events are"
        self.stdout.write(
            f"{number} {verb} not sealed yet, the oldest of {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        )

    def seal(self, options: dict[str, Any]) -> None:
        try:
            count = sealer.seal_all()
        except sealer.SealError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{count} sealed")
        self._tell_what_waits()

    def proof(self, options: dict[str, Any]) -> None:
        note = _note(options["checkpoint"]) if options["checkpoint"] else None
        self._prove(lambda: proofs.inclusion(options["event"], checkpoint_keys.verifiers(), conf.audit_directory, note))

    def consistency(self, options: dict[str, Any]) -> None:
        new = _note(options["new"]) if options["new"] else None
        old = _note(options["old"])
        self._prove(lambda: proofs.consistency(old, new, checkpoint_keys.verifiers(), conf.audit_directory))

    def _prove(self, prove: Any) -> None:
        try:
            self.stdout.write(json.dumps(prove(), indent=1))
        except proofs.ProofError as error:
            raise CommandError(str(error)) from None

    def export(self, options: dict[str, Any]) -> None:
        since, until = _event_id(options["since"]), _event_id(options["until"], last=True)
        audit.record(
            ConsoleEvent.AUDIT_EXPORTED,
            detail={
                "by": operator() or "manage.py",
                "form": options["format"],
                "from": options["since"],
                "to": options["until"],
            },
        )
        spoken = FORMATS[options["format"]]
        try:
            for index, event in proofs.events(conf.audit_directory, since, until):
                self.stdout.write(spoken.line(index, event))
        except proofs.ProofError as error:
            raise CommandError(str(error)) from None

    def checkpoint(self, options: dict[str, Any]) -> None:
        try:
            self.stdout.write(proofs.latest(), ending="")
        except proofs.ProofError as error:
            raise CommandError(str(error)) from None

    def keys(self, options: dict[str, Any]) -> None:
        if options["rotate"]:
            checkpoint_keys.rotate(datetime.now(UTC))
        for verifier in checkpoint_keys.verifiers():
            self.stdout.write(str(verifier))


def _as_json(report: Report) -> str:
    count, since = waiting()
    verdict = {
        "is_as_sealed": not report.findings,
        "findings": [str(finding) for finding in report.findings],
        "events": report.events,
        "segments": report.segments,
        "size": report.size,
        "kept_checkpoints": report.checkpoints,
        "not_sealed": count,
        "not_sealed_since": since.isoformat() if since else None,
    }
    return json.dumps(verdict, indent=2)


def _note(path: Path) -> str:
    """The last checkpoint of a file."""
    notes = list(read_notes(read_file(str(path))))
    if not notes:
        raise CommandError(f"{path} holds no checkpoint")
    return notes[-1]


def _event_id(text: str | None, *, last: bool = False) -> int | None:
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text} is neither an event's id nor a time (ISO 8601)") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    first = queries.first_id(moment)
    return first if not last else queries.first_id(moment + 2 * queries.DISORDER)
