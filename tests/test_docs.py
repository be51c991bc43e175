"""The documents tell the truth: what they name exists, and what must be told is told. Nothing here runs a server."""

import re
from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from rest_framework.serializers import BaseSerializer, ListSerializer, Serializer

from authz import __version__, registry
from authz.api.configuration_schema import schema
from authz.command_line import catalog
from authz.configuration import Section, all_sections, apply
from authz.protocol.errors import RefusalReason

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("authz", "cimd", "xaa")
FOLDERS = (*PACKAGES, "demo", "docs", "requirements", "templates", "tests", "tools", ".ci")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DECISIONS = sorted(ROOT.glob("docs/decisions/0*.md"))
SETTINGS = (ROOT / "authz/settings.py").read_text()

ENVIRONMENT_NAME = re.compile(r"GATEHOUSE_[A-Z_]+|DATABASE_URL|CACHE_URL")
PATH = re.compile(r"(?P<path>[A-Za-z0-9_.\-/]+?)(?:::(?P<test>test_\w+))?")


def text(name: str) -> str:
    return (ROOT / name).read_text()


def prose(document: str) -> str:
    """The document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", document, flags=re.DOTALL | re.MULTILINE)


def backticked(document: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(document))


def is_repository_path(name: str) -> bool:
    first, slash, _ = name.partition("/")
    return bool(slash and first in FOLDERS) or bool(
        re.fullmatch(r"[A-Z]+\.md|Makefile|manage\.py|pyproject\.toml", name)
    )


def paths(document: str) -> Iterator[tuple[str, str | None]]:
    """(path, test) of everything in backticks that looks like a path of this repository."""
    for name in backticked(document):
        match = PATH.fullmatch(name)
        if match and is_repository_path(match["path"]):
            yield match["path"], match["test"]


def table(document: str, heading: str = "") -> Iterator[list[str]]:
    """The rows of the tables under a heading (of the whole document), without their heads."""
    body = document
    if heading:
        level = heading.partition(" ")[0]
        body = document.partition(f"\n{heading}\n")[2]
        body = re.split(rf"^#{{1,{len(level)}}} ", body, maxsplit=1, flags=re.MULTILINE)[0]
    for line in body.splitlines():
        # A bar inside backticks is text.
        cells = [cell.strip() for cell in re.sub(r"`[^`]*`", lambda m: m[0].replace("|", "¦"), line).split("|")]
        if line.startswith("|") and not re.fullmatch(r"[|\-\s]+", line):
            yield cells[1:-1]


@cache
def members(name: str, base: type) -> tuple[Any, ...]:
    """The members of every enum in the packages whose name matches the pattern `name`."""
    found: dict[str, Any] = {}
    for path in chain.from_iterable((ROOT / package).rglob("*.py") for package in PACKAGES):
        for called in re.findall(rf"^class ({name})\(", path.read_text(), re.MULTILINE):
            enum = getattr(import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)), called)
            if issubclass(enum, base):
                found |= {member.value: member for member in enum}
    return tuple(found.values())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_in_backticks_exists(document: Path) -> None:
    for path, test in paths(document.read_text()):
        file = ROOT / path
        assert file.exists(), path
        assert test is None or re.search(rf"^\s*def {test}\(", file.read_text(), re.MULTILINE), f"{path}::{test}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text())):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            linked = document.parent / path if path else document
            assert linked.exists(), target
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE) if anchor else []
            assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_exists(document: Path) -> None:
    written = document.read_text()
    targets = set(re.findall(r"^([a-z0-9]+):", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z0-9]+)(?=[`\s]*(?:`|\n|  |#))", written)) <= targets
    own = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {
        "makemigrations",
        "dumpdata",
        *catalog.names(),
    }
    assert set(re.findall(r"\b(?:manage\.py|`gatehouse) ([a-z_]+)", written)) <= own


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_environment_name_exists(document: Path) -> None:
    assert set(ENVIRONMENT_NAME.findall(document.read_text())) <= set(ENVIRONMENT_NAME.findall(SETTINGS))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_names_no_machine_and_no_registry(document: Path) -> None:
    assert not re.search(r"/(?:tmp|root|home)/", document.read_text())


def test_every_decision_that_code_names_exists() -> None:
    files = chain.from_iterable((ROOT / package).rglob("*.py") for package in (*PACKAGES, "demo"))
    named = {name for file in files for name in re.findall(r"docs/decisions/[\w.\-]+\.md", file.read_text())}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_settings_are_documented_as_they_are_read() -> None:
    read = set(re.findall(r"(?:env_\w+[(,]|environ\.get\()\s*[\"']([A-Z_]+)[\"']", SETTINGS))
    told = {name for row in table(text("docs/settings.md"), "## The environment") for name in backticked(row[0])}
    assert read == told


def test_the_process_settings_are_documented_as_they_are_read() -> None:
    read = set(re.findall(r"environ\.get\(\"([A-Z_]+)\"", text("authz/serving/__main__.py")))
    assert read == {name for row in table(text("docs/settings.md"), "## The process") for name in backticked(row[0])}


def test_the_parts_are_documented_as_they_are_listed() -> None:
    lists = set(re.findall(r"^    \"([A-Z_]+)\": \[$", SETTINGS.partition("GATEHOUSE = {")[2], re.MULTILINE))
    lists |= set(re.findall(r"^    \"([A-Z_]+)\": \[\"", SETTINGS, re.MULTILINE))
    told = {
        name for row in table(text("docs/settings.md"), "## The parts of the server") for name in backticked(row[0])
    }
    assert lists == told


def test_every_check_is_documented() -> None:
    raised = set(re.findall(r"id=\"(authz\.[EW]\d+)\"", text("authz/checks.py")))
    raised |= set(re.findall(r"\"(authz\.[EW]\d+)\"", text("authz/checks.py")))
    assert raised == {name for row in table(text("docs/settings.md"), "## Checks") for name in backticked(row[0])}


def test_every_audit_event_is_documented() -> None:
    told = {row[0].strip("`"): row[1] for row in table(text("docs/audit.md"), "## Events") if row[0] != "Event"}
    assert set(told) == {member.value for member in members(r"\w*Event", Enum)}
    assert all(told.values())


def test_every_kind_of_notification_is_documented() -> None:
    told = {row[0].strip("`"): row[1:] for row in table(text("docs/notifications.md"), "## Kinds") if row[0] != "Kind"}
    assert set(told) == {member.value for member in members("Kind", Enum)}
    assert all(who for who, _ in told.values())


def test_every_reason_is_documented_with_its_code() -> None:
    rows = [row for row in table(text("docs/audit.md"), "## Reasons") if row[0] != "Reason"]
    reasons = members(r"\w*Reason", RefusalReason)
    assert {(row[0].strip("`"), row[2].strip("`")) for row in rows} == {(r.value, r.code) for r in reasons}
    explained = registry.reason_explanations()
    assert {row[0].strip("`"): row[1] for row in rows} == {reason: told.why for reason, told in explained.items()}


def test_every_attack_has_its_code_and_its_test() -> None:
    rows = [row for row in table(text("docs/threats.md")) if row[0].isdecimal()]
    numbers = [int(row[0]) for row in rows]
    # Several rows may tell of one attack.
    assert numbers == sorted(numbers)
    assert {*range(1, 37)} <= {*numbers}
    for _, attack, stops, tests in rows:
        assert attack
        assert any(path.startswith(PACKAGES) for path, _ in paths(stops)), attack
        assert any(path.startswith("tests/") for path, _ in paths(tests)), attack


def test_every_requirement_has_its_module_and_its_test() -> None:
    rows = [row for row in table(text("docs/specifications.md")) if row[0] != "Requirement"]
    assert len(rows) > 80
    for requirement, module, test in rows:
        assert any(path.startswith((*PACKAGES, "templates/")) for path, _ in paths(module)), requirement
        assert any(path.startswith("tests/") for path, _ in paths(test)), requirement


@pytest.mark.parametrize("section", all_sections(), ids=lambda section: str(section.KEY))
def test_every_key_of_the_configuration_is_documented(section: Section) -> None:
    rows = list(table(text("docs/configuration.md"), f"## `{section.KEY}:`"))
    told = {name for row in rows for name in backticked(row[0])} | {n for row in rows for n in backticked(row[1])}
    missing = {name for name in keys(section.SERIALIZER()) if name not in told}
    assert not missing


def keys(serializer: Serializer[Any]) -> Iterator[str]:
    for name, field in serializer.fields.items():
        yield name
        nested = field.child if isinstance(field, ListSerializer) else field
        if isinstance(nested, BaseSerializer):
            yield from keys(nested)  # type: ignore[arg-type]  # all of ours have fields


@pytest.mark.django_db
def test_the_configuration_that_is_shown_can_be_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLY_REPORT_SECRET", "0123456789-0123456789-0123456789")
    monkeypatch.setenv("CHAT_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    example = re.findall(r"^```yaml\n(.*?)^```", text("docs/configuration.md"), re.DOTALL | re.MULTILINE)
    changes = apply(example[-1], dry_run=True)
    assert {change.section for change in changes} == {section.KEY for section in all_sections()}


def test_the_examples_of_the_concepts_are_what_the_file_takes() -> None:
    examples = [
        example
        for page in ROOT.glob("docs/concepts/*.md")
        for example in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    ]
    assert examples
    for example in examples:
        jsonschema.validate(yaml.safe_load(example), schema())


def test_the_readme_begins_with_its_two_commands() -> None:
    first_block = re.findall(r"^```\w*\n(.*?)^```", text("README.md"), re.DOTALL | re.MULTILINE)[0]
    assert re.findall(r"^make (\w+)", first_block, re.MULTILINE) == ["run", "test"]


def site_module(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "docs/site"))
    return import_module(name)


def test_every_document_is_in_the_table_of_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = site_module("contents", monkeypatch)
    listed = {"README.md"}
    for index in contents.INDEXES:
        folder = Path(index).parent
        listed |= {f"{folder / page}.md" for _, pages in contents.parts(text(f"{index}.md")) for page in pages}
    assert {str(document.relative_to(ROOT)) for document in DOCUMENTS} == listed


def test_the_site_has_four_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    captions = [caption for caption, _ in site_module("contents", monkeypatch).parts(text("README.md"))]
    assert captions == ["Start", "How-to", "Concepts", "Reference"]


def test_the_diagrams_are_drawn_from_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, drawing in site_module("stories", monkeypatch).drawings().items():
        assert text(f"docs/images/{name}") == drawing, "run docs/site/stories.py"


def test_this_version_has_its_changes_its_upgrade_note_and_its_support() -> None:
    assert re.search(rf"^## {re.escape(__version__)}$", text("CHANGELOG.md"), re.MULTILINE)
    assert re.search(rf"^## To {re.escape(__version__)}$", text("docs/operations/upgrading.md"), re.MULTILINE)
    assert [row[1].startswith("yes") for row in table(text("SECURITY.md")) if row[0] == __version__] == [True]


def test_decisions_are_numbered_and_say_why() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == sorted(set(numbers))
    for path in DECISIONS:
        decision = path.read_text()
        assert decision.startswith(f"# {path.name[:4]} ")
        headings = ["Context", "Decision", "Consequences"]
        assert [h for h in re.findall(r"^## (.+)$", decision, re.MULTILINE) if h in headings] == headings, path.name
        assert f"({path.name})" in text("docs/decisions/README.md"), path.name


def test_every_rate_limit_is_documented_with_its_default() -> None:
    from authz.settings import RATE_LIMITS

    rows = [row for row in table(text("docs/settings.md"), "## Rate limits") if row[0] != "Limit"]
    assert {name: row[1].strip("`") for row in rows for name in backticked(row[0])} == RATE_LIMITS
