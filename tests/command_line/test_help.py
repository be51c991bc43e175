"""The list of commands, and each command's help: ours, with examples that the parsers understand."""

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from django.core.management import get_commands

from authz import __version__, command_line
from authz.command_line import catalog, parsers
from authz.command_line.execution import Utility
from demo.processes import ROOT

pytestmark = pytest.mark.any_database


def answer(*call: str) -> tuple[int, str, str]:
    """(code, output, errors)."""
    out, errors, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            command_line.main(["/usr/bin/gatehouse", *call])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), errors.getvalue()


@pytest.mark.parametrize("call", [(), ("help",), ("--help",), ("-h",)])
def test_the_overview_has_our_commands_and_no_other(call: tuple[str, ...]) -> None:
    code, out, _ = answer(*call)
    assert code == 0
    assert set(re.findall(r"^  (\w+)  ", out, re.MULTILINE)) == catalog.entries().keys()
    assert all(len(line) <= 110 for line in out.splitlines())


def test_every_command_of_ours_is_listed_or_has_a_reason() -> None:
    ours = {path.stem for path in ROOT.glob("*/management/commands/[a-z]*.py")}
    assert ours - catalog.names() == set()
    assert catalog.names() - ours - set(parsers.STARTING) == {"check", "migrate"}


def test_the_version() -> None:
    assert answer("--version") == (0, f"Gatehouse {__version__}\n", "")


@pytest.mark.parametrize("name", sorted(catalog.entries()))
def test_a_commands_help_shows_examples_and_nothing_of_django(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))  # main() changes it; it is put back
    code, out, _ = answer(name, "--help")
    assert code == 0
    assert f"\nExamples:\n  gatehouse {name}" in out
    assert not any(option in out for option in parsers.HIDDEN), out


def calls() -> list[str]:
    return [
        call.partition(" | ")[0].partition(" > ")[0] for entry in catalog.entries().values() for call in entry.examples
    ]


@pytest.mark.parametrize("call", calls())
def test_an_example_is_understood(call: str, tmp_path: Path) -> None:
    name, *arguments = shlex.split(call)
    with redirect_stderr(io.StringIO()) as errors:
        try:
            if name in parsers.STARTING:
                parser = parsers.starting("gatehouse", name)
                known = {option for action in parser._actions for option in action.option_strings}
                assert {word for word in arguments if word.startswith("-")} <= known
            else:
                Utility(["gatehouse"]).fetch_command(name).create_parser("gatehouse", name).parse_args(arguments)
        except SystemExit:
            pytest.fail(errors.getvalue())


WRONG = {
    (
        "aply",
        "organisation.yaml",
    ): "There is no command aply. Did you mean apply? `gatehouse help` lists the commands.\n",
    ("zzz",): "There is no command zzz. `gatehouse help` lists the commands.\n",
}


@pytest.mark.parametrize(("call", "said"), WRONG.items())
def test_an_unknown_command(call: tuple[str, ...], said: str) -> None:
    assert answer(*call) == (2, "", said)


def test_commands_of_django_work_and_are_not_listed() -> None:
    assert {"shell", "makemigrations", "check"} <= get_commands().keys()
    assert "makemigrations" not in answer("help")[1]
