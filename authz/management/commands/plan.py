import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.configuration import By, Change, ConfigurationError, plans
from authz.configuration.plan_files import PlanRefused
from authz.configuration.plan_items import plan_as_item
from authz.management.configuration_files import lines_of, read_file, refusal
from authz.management.operators import operator
from authz.management.settings_checks import require_secret_key


class Command(BaseCommand):
    help = "Plan to apply a file: an administrator approves what it would change, in the console or by the API."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a YAML file, or - for standard input")
        parser.add_argument("--prune", action="store_true", help="remove what the file's sections do not name")
        parser.add_argument(
            "--prune-all",
            action="store_true",
            help="with --prune: also of a section that says nothing, all people, or the last administrator",
        )
        parser.add_argument("--note", default="", help="why, for the person who approves")
        parser.add_argument("--json", action="store_true", help="print the plan as the API answers it")

    def handle(self, *args: Any, **options: Any) -> None:
        if len(options["note"]) > plans.LONGEST_TEXT:
            raise CommandError(f"A note has at most {plans.LONGEST_TEXT} characters.")
        require_secret_key()
        text, now = read_file(options["file"]), datetime.now(UTC)
        try:
            made = plans.make(
                text,
                prune=options["prune"],
                prune_all=options["prune_all"],
                note=options["note"],
                by=By(operator()),
                now=now,
            )
        except ConfigurationError as error:
            raise refusal(options["file"], error, "Nothing was planned.") from None
        except PlanRefused as refused:
            raise CommandError(str(refused)) from None
        if options["json"]:
            self.stdout.write(json.dumps(plan_as_item(made, now), indent=2))
        elif made is None:
            self.stdout.write("Nothing to change.")
        else:
            for line in lines_of(Change.from_item(item) for item in made.changes):
                self.stdout.write(line)
            until = f"{made.expires:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"Planned as {made.pk}: an administrator approves or declines it until {until}.")
