"""`manage.py xaa explain`: what the server thinks of an assertion. `xaa inspect`: what it thinks of an issuer."""

import json
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rest_framework.serializers import ValidationError

from authz.database import configuration_cache
from authz.management import lookups
from authz.management.configuration_files import read_file
from xaa.configuration.trusted_issuers import check_issuer
from xaa.explain import explain
from xaa.explain.inspection import inspect


class Command(BaseCommand):
    help = "Issuers of others: explain what the server thinks of an assertion, or inspect an issuer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        explaining = actions.add_parser("explain", help="Judge an assertion without using it up.")
        explaining.add_argument(
            "assertion", nargs="?", default="-", help="The assertion, a file that holds it, or - for standard input."
        )
        explaining.add_argument("--client", help="The client that would present it; left out: the one it names.")
        explaining.add_argument(
            "--resource", help="The MCP server that the request would name; left out: what it names, or the default."
        )
        inspecting = actions.add_parser("inspect", help="What an issuer publishes, and what it has to know of us.")
        inspecting.add_argument("issuer", help="Its identifier, such as https://acme.okta.com.")
        for reading in (explaining, inspecting):
            reading.add_argument("--json", action="store_true", help="For programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration_cache.begin()
        (self._inspect if options["action"] == "inspect" else self._explain)(options)

    def _inspect(self, options: dict[str, Any]) -> None:
        try:
            check_issuer(options["issuer"])
        except ValidationError as error:
            raise CommandError(f"{options['issuer'][:200]!r} {_first(error)}, such as https://acme.okta.com.") from None
        found = inspect(options["issuer"])
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found), indent=2))
        for line in () if options["json"] else found.lines():
            self.stdout.write(line)
        if not found.is_usable:
            raise CommandError("People could not sign in by it.")

    def _explain(self, options: dict[str, Any]) -> None:
        client, resource = options["client"], options["resource"]
        assertion, _, _ = lookups.all_of(
            lambda: _read(options["assertion"]),
            # A client that is named by its URL may be new here.
            lambda: client and not client.startswith("https://") and lookups.agent(client),
            lambda: resource and lookups.server(resource, may_be_unknown=True),
        )
        named = {"client_id": client, "resource": resource}
        findings = list(explain(assertion, now=time.time(), **named))
        wrong = [finding for finding in findings if not finding.passed]
        if options["json"]:
            told = {"accepted": not wrong, "findings": [asdict(finding) for finding in findings]}
            self.stdout.write(json.dumps(told, indent=2))
        for finding in () if options["json"] else findings:
            mark = self.style.SUCCESS("  ok  ") if finding.passed else self.style.ERROR("  NO  ")
            self.stdout.write(f"{mark} {finding.check}{f' ({finding.note})' if finding.note else ''}")
        if wrong:
            raise CommandError(f"It would be refused: {wrong[0].check}: {wrong[0].note}")
        if not options["json"]:
            self.stdout.write("It would be accepted.")


def _first(error: ValidationError) -> str:
    return str(error.detail[0] if isinstance(error.detail, list) else error.detail)


def _read(argument: str) -> str:
    if argument == "-":
        return sys.stdin.read().strip()
    if argument.count(".") == 2 and "/" not in argument:
        return argument
    path = Path(argument)
    if not path.is_file():
        raise CommandError(f"{argument[:100]!r} is neither an assertion nor a file that holds one.")
    return read_file(argument).strip()
