import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from authz.database import configuration_cache
from authz.protocol.client_metadata import Verdict
from cimd.api import inspection_as_item
from cimd.inspection import inspect

_SIGNS = {Verdict.PASSED: "ok     ", Verdict.NARROWED: "NARROWED", Verdict.REFUSED: "REFUSED"}


class Command(BaseCommand):
    help = "Explain, check by check, what the server thinks of a client ID metadata document."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["inspect"])
        parser.add_argument("url", help="the document's URL, as a client would send it in client_id")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration_cache.begin()
        inspection = inspect(options["url"], time.time())
        if options["json"]:
            self.stdout.write(json.dumps(inspection_as_item(inspection), indent=2))
        else:
            for check in inspection.checks:
                self.stdout.write(f"{_SIGNS[check.verdict]:9}{check.name}: {check.explanation}")
        if inspection.is_refused:
            raise CommandError(inspection.outcome)
        if not options["json"]:
            self.stdout.write(inspection.outcome)
