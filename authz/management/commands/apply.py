import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.configuration import ConfigurationError, LeftOut, RuleWarning, apply
from authz.configuration.engine import By
from authz.management.configuration_files import lines_of, read_file, refusal
from authz.management.operators import operator
from authz.management.settings_checks import require_secret_key


class Command(BaseCommand):
    help = "Make the configuration be what a YAML file says: one transaction, idempotent, audited."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a YAML file, or - for standard input")
        parser.add_argument("--prune", action="store_true", help="remove what the file's sections do not name")
        parser.add_argument(
            "--prune-all",
            action="store_true",
            help="with --prune: also of a section that says nothing, all people, or the last administrator",
        )
        parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the changes as the API answers them")
        parser.add_argument(
            "--strict", action="store_true", help="refuse the file where a rule names what does not exist"
        )
        parser.add_argument(
            "--all-warnings", action="store_true", help="warn of rules that the file neither has nor breaks, too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        require_secret_key()
        name = options["file"]
        text, left_out = read_file(name), LeftOut()
        try:
            changes = apply(
                text,
                prune=options["prune"],
                # What would go is shown, whatever it is.
                prune_all=options["prune_all"] or options["dry_run"],
                dry_run=options["dry_run"],
                by=By(operator()),
                warn=self._refuse if options["strict"] else self._warn,
                warn_of_all=options["all_warnings"],
                left_out=left_out,
            )
        except ConfigurationError as error:
            raise refusal(name, error, "Nothing was changed.") from None
        if options["json"]:
            applied = {
                "applied": not options["dry_run"],
                "changes": [change.as_item() for change in changes],
                **({"left_out": left_out.as_item()} if left_out.lines() else {}),
            }
            self.stdout.write(json.dumps(applied, indent=2))
            return
        for line in lines_of(changes):
            self.stdout.write(line)
        verb = "would change" if options["dry_run"] else "changed"
        self.stdout.write(f"{len(changes)} {verb}." if changes else "Nothing to change.")
        for line in left_out.lines():
            self.stdout.write(line)

    def _warn(self, found: Sequence[RuleWarning]) -> None:
        for warning in found:
            for line in warning.lines():
                self.stderr.write(line)

    def _refuse(self, found: Sequence[RuleWarning]) -> None:
        self._warn(found)
        if found:
            names = ", ".join(f"“{warning.rule}”" for warning in found)
            raise CommandError(f"--strict: {names} would name what does not exist. Nothing was changed.")
