import time
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from authz.management.settings_checks import require_secret_key
from authz.operations import periodic


class Command(BaseCommand):
    help = "Run the periodic tasks (sealing, delivery, housekeeping), as the server does beside its workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Run what is due now, say what it was, and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        with suppress(DatabaseError):  # the tasks wait for a database that is down
            require_secret_key()
        if options["once"]:
            self.stdout.write("\n".join(periodic.run_due()))
            return
        periodic.go_on(_wait)


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False
