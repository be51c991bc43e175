import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from authz.operations import doctor


class Command(BaseCommand):
    help = "Examine this installation and say what to do; ends with 1 if there is an error."
    # It reports what the checks find instead of refusing to start.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--profile", choices=sorted(doctor.PROFILES), default="", help="whether the configuration has this shape"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = doctor.examine(profile=options["profile"])
        if options["json"]:
            self.stdout.write(
                json.dumps({about: [asdict(finding) for finding in each] for about, each in found.items()}, indent=2)
            )
        else:
            self._tell(found)
        if any(finding.level == doctor.ERROR for each in found.values() for finding in each):
            sys.exit(1)

    def _tell(self, found: dict[str, list[doctor.Finding]]) -> None:
        styles = {doctor.ERROR: self.style.ERROR, doctor.WARNING: self.style.WARNING}
        for about, findings in found.items():
            if not findings:
                self.stdout.write(f"{self.style.SUCCESS('well')}     {about}")
            for finding in findings:
                self.stdout.write(f"{styles[finding.level](f'{finding.level:8}')} {about}: {finding.says}")
                self.stdout.write(f"         → {finding.do}")
