"""The command line: `gatehouse …` where pip installed the server, `manage.py …` in the repository. Both are the same.

It imports Django late: `--version` and the list of commands need neither settings nor a database.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from authz import __version__
from authz.command_line import catalog, exit_codes, parsers


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command. Ends the process with a code of `exit_codes`; `run` and `serve` become the server."""
    arguments = list(sys.argv if argv is None else argv)
    # `manage.py`, `gatehouse`, or the name that a link gave it.
    arguments[0] = Path(arguments[0]).name
    name, rest = (arguments[1] if len(arguments) > 1 else "help"), arguments[2:]
    if name in {"--version", "version"}:
        sys.stdout.write(f"Gatehouse {__version__}\n")
    elif name in {"help", "--help", "-h"} and not rest:
        sys.stdout.write(catalog.overview(arguments[0]))
    elif name in parsers.STARTING:
        parsers.starting(arguments[0], name).parse_args(rest)
        _run(arguments)
    elif parsers.is_help(arguments):
        # The settings make the folder of the server's files. A question leaves nothing behind.
        with TemporaryDirectory() as nowhere:
            os.environ["GATEHOUSE_HOME"] = nowhere
            _run(arguments)
    else:
        _run(arguments)


def _run(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
    # What is loaded stays: to collect while it comes is a sixth of the time of a short command.
    gc.disable()
    import django
    from django.core.exceptions import ImproperlyConfigured

    from authz.environment_readers import as_lines

    try:
        django.setup()
    except ImproperlyConfigured as error:
        exit_codes.leave(exit_codes.WRONG_CALL, as_lines(error))
    gc.enable()
    from authz.command_line import execution

    execution.execute(arguments)
