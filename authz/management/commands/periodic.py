import os
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from authz import metrics, periodic


class Command(BaseCommand):
    help = "Run the periodic tasks (sealing, telling, tidying). The server runs this beside its workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Run what is due now, say what it was, and end.")
        parser.add_argument("--parent", type=int, help="End when this process is gone.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            self.stdout.write("\n".join(periodic.run_due()))
            return
        while options["parent"] in {None, os.getppid()}:
            periodic.run_and_survive()
            metrics.publish()
            close_old_connections()
            time.sleep(periodic.BREATH)
