"""Runs one command on loaded settings, and turns what can go wrong into one sentence and a code."""

import difflib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import Any, TextIO

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.core.management import (
    BaseCommand,
    CommandError,
    ManagementUtility,
    call_command,
    get_commands,
    handle_default_options,
)
from django.db import DatabaseError, connections

from authz import checks
from authz.command_line import catalog, database_failures, exit_codes, parsers
from authz.environment_readers import as_lines
from authz.management import settings_checks
from authz.operations import logs


class Utility(ManagementUtility):
    """Django's, with our help. Its own commands (`shell`, `makemigrations`, …) work and are not listed."""

    def main_help_text(self, commands_only: bool = False) -> str:
        return "\n".join(sorted(catalog.names())) if commands_only else catalog.overview(self.prog_name)

    def fetch_command(self, subcommand: str) -> BaseCommand:
        if subcommand not in get_commands():
            near = difflib.get_close_matches(subcommand, [*catalog.entries(), *get_commands()], n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            exit_codes.leave(
                exit_codes.WRONG_CALL,
                f"There is no command {subcommand}.{hint} `{self.prog_name} help` lists the commands.",
            )
        command: BaseCommand = super().fetch_command(subcommand)
        if subcommand in catalog.names():
            looks_at_settings, command.requires_system_checks = command.requires_system_checks == "__all__", []
            with_examples: Any = partial(parsers.with_examples, command.create_parser)
            command.create_parser = with_examples  # type: ignore[method-assign]
            without_class_names: Any = partial(_run, command, looks_at_settings)
            command.run_from_argv = without_class_names  # type: ignore[method-assign]
        if type(command).__module__.startswith("django."):
            admin.autodiscover()  # its own commands, such as `check`, look at the pages, too
        return command


def _run(command: BaseCommand, looks_at_settings: bool, arguments: list[str]) -> None:
    """As Django's `run_from_argv`; a refusal is its sentence alone, without the name of a class of ours."""
    command._called_from_command_line = True  # type: ignore[attr-defined]
    options = vars(command.create_parser(arguments[0], arguments[1]).parse_args(arguments[2:]))
    words = options.pop("args", ())
    handle_default_options(Namespace(**options))
    try:
        if looks_at_settings and not options.get("skip_checks"):
            settings_checks.require([checks.SETTINGS], sys.stderr.write)
        command.execute(*words, **options)
    except CommandError as error:
        if options["traceback"]:
            raise
        command.stderr.write(str(error))
        sys.exit(error.returncode)
    finally:
        connections.close_all()


def execute(arguments: Sequence[str]) -> None:
    """`arguments` as in `sys.argv`. Returns when it is done, ends the process otherwise."""
    name = arguments[1]
    try:
        if not parsers.is_help(arguments):
            database_failures.require_file(name)
        if name in parsers.STARTING:
            _start(name)
        Utility(list(arguments)).execute()
    except ImproperlyConfigured as error:
        exit_codes.leave(exit_codes.WRONG_CALL, as_lines(error))
    except DatabaseError as error:
        if "--traceback" in arguments:
            raise
        exit_codes.leave(exit_codes.NO_DATABASE, database_failures.sentence(error, arguments[0]))
    except BrokenPipeError:
        # What reads the output, such as `head`, has read enough. Python would complain when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


LOOPBACK_SERVERS = "127.0.0.1:*=resources,localhost:*=resources,[::1]:*=resources"


def _start(name: str) -> None:
    """Prepare, and become the server: the same process, whose memory holds nothing of the preparation."""
    # Where the log is for programs, so is what is said before it.
    out: TextIO = logs.Lines() if settings.LOG_FORMAT == "json" else sys.stdout  # type: ignore[assignment]
    if settings.IS_SQLITE and not settings.DATABASE_URL.startswith("sqlite:////"):
        out.write(f"The database is {settings.DATABASES['default']['NAME']}, as DATABASE_URL says from here.\n")
    try:
        call_command("prepare", stdout=out)
        if name == "run":
            call_command("seed_demo")
    except CommandError as error:
        exit_codes.leave(exit_codes.REFUSED, str(error))
    connections.close_all()
    sys.stdout.flush()
    environment = dict(os.environ)
    if name == "run":
        # “Is it protected?” may ask MCP servers on this machine.
        environment.setdefault("GATEHOUSE_OUTBOUND_ALLOWED_HOSTS", LOOPBACK_SERVERS)
    if not settings.IS_INSTALLED:
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(settings.BASE_DIR), *filter(None, [environment.get("PYTHONPATH")])]
        )
    # -P: a file of the current folder is not taken for a library.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "authz.serving"], environment)  # noqa: S606  ourselves
