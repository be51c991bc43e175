"""The options of `run` and `serve`, and how every command shows its own."""

import os
from argparse import SUPPRESS, Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authz.command_line import catalog, wrong_calls

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

# They become the server, so their options are settings, which are read before anything else is loaded.
STARTING = ("run", "serve")
# Django's, which each command has. They work, and would be most of what --help shows.
HIDDEN = frozenset(
    {"--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color"}
    | {"--skip-checks"}
)


def is_help(arguments: Sequence[str]) -> bool:
    """Whether a call asks for help alone. `arguments` as in `sys.argv`."""
    return arguments[1] == "help" or not {"-h", "--help"}.isdisjoint(arguments[2:])


def with_examples(create: Callable[..., "CommandParser"], program: str, name: str, **options: Any) -> "CommandParser":
    """A command's parser, made by its own `create_parser`: with examples, and without Django's options in the help."""
    shown = {"epilog": catalog.examples(Path(program).name, name), "formatter_class": RawDescriptionHelpFormatter}
    parser = create(program, name, **options | shown)
    for action in parser._actions:
        if not HIDDEN.isdisjoint(action.option_strings):
            action.help = SUPPRESS
    wrong_calls.explain(parser, catalog.example(Path(program).name, name), HIDDEN)
    return parser


class _Set(Action):
    """An option that is a setting of the environment."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: object, option: object = None) -> None:
        os.environ[self.dest] = str(values)


def starting(program: str, name: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"{program} {name}",
        description=catalog.entries()[name].does[:1].upper() + catalog.entries()[name].does[1:] + ".",
        epilog=catalog.examples(program, name),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", dest="PORT", action=_Set, metavar="PORT", help="8000 (the setting PORT)")
    if name == "serve":
        parser.add_argument("--host", dest="HOST", action=_Set, metavar="HOST", help="127.0.0.1 (the setting HOST)")
        parser.add_argument("--workers", dest="WORKERS", action=_Set, metavar="N", help="2 (the setting WORKERS)")
    wrong_calls.explain(parser, catalog.example(program, name), HIDDEN)
    return parser
