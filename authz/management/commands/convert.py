"""`manage.py convert`: another server's export as a draft of the configuration file. It writes nothing."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.conversion import Draft, NotAnExportError, keycloak, oauth_toolkit
from authz.management.configuration_files import read_file
from authz.management.policy_words import counted


class Command(BaseCommand):
    help = (
        "Print another server's clients as a configuration file, to be read before it is applied. What cannot be"
        " carried over is on standard error, each with its reason."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        servers = parser.add_subparsers(dest="server", required=True)
        realm = servers.add_parser("keycloak", help="A realm, as `kc.sh export` or the console's export wrote it.")
        realm.add_argument("--realm", default="", help="Which realm, where the file has several.")
        toolkit = servers.add_parser(
            "oauth-toolkit", help="Applications of django-oauth-toolkit, as `dumpdata oauth2_provider` wrote them."
        )
        for one in (realm, toolkit):
            one.add_argument("file", help="A JSON file, or - for standard input.")
            one.add_argument("--secrets", action="store_true", help="Print the secrets that the export has in plain.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            draft = _draft(_read(options["file"]), options)
            text = draft.as_yaml()
        except NotAnExportError as problem:
            raise CommandError(f"{options['file']}: {problem}") from None
        self.stdout.write(text, ending="")
        for left_out in draft.left_out:
            self.stderr.write(str(left_out))
        held = ((draft.clients, "client"), (draft.resources, "MCP server"), (draft.rules, "disabled rule"))
        self.stderr.write(f"{', '.join(counted(len(items), word) for items, word in held)}.")


def _draft(export: object, options: dict[str, Any]) -> Draft:
    if options["server"] == "keycloak":
        return keycloak.convert(export, realm=options["realm"], has_secrets=options["secrets"])
    return oauth_toolkit.convert(export, has_secrets=options["secrets"])


def _read(name: str) -> object:
    try:
        return json.loads(read_file(name).removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise CommandError(f"{'Standard input' if name == '-' else name} is not JSON.") from None
