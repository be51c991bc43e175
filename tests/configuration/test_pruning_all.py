"""`--prune` removes neither all of a section that says nothing, nor all people, nor the last administrator, unless
that is said."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from authz.configuration import ConfigurationError, apply, plans
from authz.configuration.engine import By
from authz.configuration.sections import all_sections, items
from authz.models import AuditEvent, User
from tests.support.world import World, person
from tests.xaa.directories import CONFIGURATION, IDP

ADMINISTRATOR = "{username: alice, email: alice@example.com, role: administrator}"
SECTIONS = ["users", "clients", "resources", "rules", "trusted_issuers", "directories"]


@pytest.fixture
def full(gatehouse: World) -> World:
    """Something is in each section."""
    apply(f"trusted_issuers: [{{issuer: '{IDP}', accepts: [id-jag], subjects: {{match: [sub]}}}}]")
    apply(CONFIGURATION)
    return gatehouse


@pytest.mark.parametrize(
    ("section", "text"),
    [*((section, text) for section in SECTIONS for text in ("{}:", "{}: null")), ("users", "{}: []")],
)
def test_an_empty_section_is_refused(full: World, section: str, text: str) -> None:
    of = next(one for one in all_sections() if section == one.KEY)
    before = items(of)
    assert before
    with pytest.raises(ConfigurationError, match=r"names none, so pruning would remove all there are .*--prune-all"):
        apply(text.format(section), prune=True)
    assert items(of) == before
    # Without pruning it means nothing, as ever.
    assert apply(text.format(section)) == []


@pytest.mark.parametrize(("text", "more"), [("rules: []", {}), ("rules:", {"prune_all": True})])
def test_said_it_is_done(full: World, text: str, more: dict[str, bool]) -> None:
    apply(text, prune=True, **more)
    assert items(next(one for one in all_sections() if one.KEY == "rules")) == {}


@pytest.mark.parametrize(
    "users",
    [
        "[{username: mallory}]",
        "[{username: bob, email: bob@example.com, role: approver}]",
        ADMINISTRATOR.join("[]").replace("administrator", "auditor"),
        ADMINISTRATOR.join("[]").replace("}", ", active: false}"),
    ],
)
def test_the_last_administrator_stays(gatehouse: World, users: str) -> None:
    with pytest.raises(ConfigurationError, match="would leave no active administrator"):
        apply(f"users: {users}", prune=True)
    assert person("alice").role == "administrator"
    assert person("alice").is_active
    assert not User.objects.filter(username="mallory").exists()


def test_others_go(gatehouse: World) -> None:
    apply(f"users: [{ADMINISTRATOR}]", prune=True)
    assert list(User.objects.values_list("username", flat=True)) == ["alice"]


def test_the_command_and_its_dry_run(gatehouse: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("users:\n")
    call_command("apply", str(path), "--prune", "--dry-run")
    assert "- users: alice" in capsys.readouterr().out
    with pytest.raises(CommandError, match="--prune-all"):
        call_command("apply", str(path), "--prune")
    assert User.objects.count() == 3
    call_command("apply", str(path), "--prune", "--prune-all")
    assert User.objects.count() == 0


def test_the_api(gatehouse: World) -> None:
    gatehouse.sign_in("alice")

    def post(query: str) -> tuple[int, str]:
        answer = gatehouse.browser.post(f"/api/v1/configuration?{query}", "users: []", content_type="application/yaml")
        return answer.status_code, answer.content.decode()

    assert post("prune=true&dry_run=true")[0] == 200
    status, text = post("prune=true")
    assert status in (400, 422)
    assert "prune_all=true" in text
    assert User.objects.count() == 3
    assert not AuditEvent.objects.filter(event="configuration:object:removed").exists()


def test_a_plan_says_it_when_it_is_made(gatehouse: World) -> None:
    now, by = datetime.now(UTC), By("alice", str(person("alice").subject))
    text = json.dumps({"rules": None})
    with pytest.raises(ConfigurationError, match="prune_all"):
        plans.make(text, prune=True, note="", by=by, now=now)
    assert plans.make(text, prune=True, prune_all=True, note="", by=by, now=now) is not None
