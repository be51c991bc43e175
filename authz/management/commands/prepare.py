from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from authz import checks
from authz.management.first_start import one_at_a_time
from authz.management.settings_checks import require, require_secret_key


class Command(BaseCommand):
    help = "Create what a server needs to start: tables, signing keys and, if given, a configuration."
    # They are run below: the parts could look into tables that are not there yet.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("configuration", nargs="?", help="a YAML file, as for `apply`")

    def handle(self, *args: Any, **options: Any) -> None:
        require([checks.SETTINGS], self.stderr.write)
        with one_at_a_time():
            call_command("migrate", verbosity=0)
            require([checks.PARTS], self.stderr.write)
            require_secret_key()
            call_command("keys", "ensure", stdout=self.stdout)
            if options["configuration"]:
                call_command("apply", options["configuration"], stdout=self.stdout)
