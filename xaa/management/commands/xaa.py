"""`manage.py xaa explain`: what the server thinks of an assertion, check by check."""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.database import configuration_cache
from xaa.explain import explain


class Command(BaseCommand):
    help = "Cross-app access: explain what the server thinks of an ID-JAG or a workload's assertion."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        explaining = actions.add_parser("explain", help="Judge an assertion without using it up.")
        explaining.add_argument(
            "assertion", nargs="?", default="-", help="The assertion, a file that holds it, or - for standard input."
        )
        explaining.add_argument("--client", help="The client that would present it; left out: the one it names.")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration_cache.begin()
        findings = list(explain(_read(options["assertion"]), client_id=options["client"], now=time.time()))
        for finding in findings:
            mark = self.style.SUCCESS("  ok  ") if finding.passed else self.style.ERROR("  NO  ")
            self.stdout.write(f"{mark} {finding.check}{f' ({finding.note})' if finding.note else ''}")
        wrong = [finding for finding in findings if not finding.passed]
        if wrong:
            raise CommandError(f"It would be refused: {wrong[0].check}: {wrong[0].note}")
        self.stdout.write("It would be accepted.")


def _read(argument: str) -> str:
    if argument == "-":
        return sys.stdin.read().strip()
    if argument.count(".") == 2 and "/" not in argument:
        return argument
    path = Path(argument)
    if not path.is_file():
        raise CommandError("Neither an assertion nor a file that holds one.")
    return path.read_text().strip()
