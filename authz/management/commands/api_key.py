"""`manage.py api_key`: an agent, its rule and the API's scopes in one step."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz.approvals import agent_lifecycle
from authz.configuration import By
from authz.configuration.api_resource import SCOPES
from authz.management import api_keys, lookups
from authz.management.operators import operator
from authz.policy import RuleError
from authz.policy.parsing import parse_time


class Command(BaseCommand):
    help = "Make a key for the management API: an approved agent with a secret, and the rule that lets it in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what it is for, such as 'Backup job'")
        parser.add_argument("--scopes", nargs="+", choices=list(SCOPES), required=True)
        parser.add_argument("--owner", required=True, help="the user name of the person who answers for it")
        parser.add_argument("--until", help=f"a date; left out: {agent_lifecycle.USUAL.days} days from now")
        parser.add_argument("--json", action="store_true", help="print the client_id and the secret as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = lookups.person(options["owner"])
        try:
            until = _until(options["until"])
            made = api_keys.make(options["name"], options["scopes"], owner=owner, until=until, by=By(operator()))
        except (api_keys.CannotMake, RuleError) as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            told = {"client_id": made.client_id, "client_secret": made.secret, "scopes": list(made.scopes)}
            self.stdout.write(json.dumps({**told, "until": until.isoformat()}, indent=2))
            return
        self.stdout.write(f"client_id      {made.client_id}\nclient_secret  {made.secret}")
        self.stdout.write("The secret is shown this once.\n\n" + "\n".join(made.calls()))


def _until(given: str | None) -> datetime:
    if given is None:
        return datetime.now(UTC) + agent_lifecycle.USUAL
    return datetime.fromtimestamp(parse_time(given, "--until", end_of_day=True), UTC)
