from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.operations import backup


class Command(BaseCommand):
    help = "Replace the database by a backup. Stop the server on all nodes first."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--replace", action="store_true", help="replace what is in the database now")
        parser.add_argument(
            "--as-is",
            action="store_true",
            help="end nothing; only if nothing has happened since the backup was made",
        )

        parser.add_argument(
            "--unsigned",
            action="store_true",
            help="take a backup without its MAC (of an earlier version, or whose GATEHOUSE_SECRET_KEY is lost); only if"
            " you know that it is unchanged",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["replace"]:
            raise CommandError("This replaces everything in the database. Add --replace to confirm.")
        try:
            how = {name: options[name] for name in ("as_is", "unsigned")}
            done = backup.restore(options["file"], now=datetime.now(UTC), **how)
        except (backup.BackupError, OSError) as error:
            raise CommandError(str(error)) from None
        newest = f"{done.newest:%Y-%m-%d %H:%M:%S} UTC" if done.newest else "never"
        self.stdout.write(f"Restored. The last event in it is of {newest}; what happened after that is not known here.")
        if options["as_is"]:
            self.stdout.write("Everything is as it was then, also what was ended or used since.")
        else:
            self.stdout.write(f"{done.ended} authorizations, all consents and sign-ins ended: people sign in anew.")
        self.stdout.write(
            "Agents, people, rules and keys are as they were then: see what was suspended, deactivated, denied or"
            " retired since, and run `manage.py doctor` before you start the server (docs/operations.md)."
        )
