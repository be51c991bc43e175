import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from authz.configuration import ConfigurationError, plan_files
from authz.management.configuration_files import lines_of, read_file, refusal

# Another code than that of a failure, so that a job can tell them apart (authz/command_line/exit_codes.py).
DIFFERS = 4


class Command(BaseCommand):
    help = "Say what differs between a file and what is there, and change nothing. Ends with 4 if anything differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a YAML file, or - for standard input")
        parser.add_argument("--prune", action="store_true", help="what the file's sections do not name differs, too")
        parser.add_argument("--json", action="store_true", help="print the difference as the API answers it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changes = plan_files.drift(read_file(options["file"]), prune=options["prune"], local=True)
        except ConfigurationError as error:
            raise refusal(options["file"], error, "Nothing was compared.") from None
        if options["json"]:
            differing = {"drift": bool(changes), "changes": [change.as_item() for change in changes]}
            self.stdout.write(json.dumps(differing, indent=2))
        else:
            for line in lines_of(changes):
                self.stdout.write(line)
            several = "thing differs" if len(changes) == 1 else "things differ"
            self.stdout.write(f"{len(changes)} {several} from the file." if changes else "Nothing differs.")
        if changes:
            sys.exit(DIFFERS)
