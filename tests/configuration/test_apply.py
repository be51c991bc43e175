"""`manage.py apply` and `export`: all of a file or nothing, twice is once, every mistake named by its line."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from authz.configuration import By, Change, ConfigurationError, Section, all_sections, apply, export, revise
from authz.models import AuditEvent, Client, ProtectedResource, Rule, User
from authz.settings import BASE_DIR
from tests.support import world
from tests.support.world import SECRET, World

GOOD = """\
clients:
  - client_id: first
    grant_types: [client_credentials]
    client_secret: 0123456789-0123456789-0123456789
"""
TWO_DEFAULTS = """\
resources:
  - {identifier: https://a.example/mcp, default: true}
  - identifier: https://b.example/mcp
    default: false
  - identifier: https://c.example/mcp
    default: true
"""
RULE = """\
rules:
  - name: r
    effect: allow
    clients: ["*"]
    resources: ["*"]
    scopes: ["*"]
"""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense: []\n", 1),
        ("clients: {}\n", 1),
        ("clients: [1]\n", 1),
        ("clients:\n  - just text\n", 2),
        ("- a\n- b\n", 1),
        ("text\n", 1),
        ("clients: [\n", 2),
        ("clients:\n\t- a\n", 2),
        ("clients:\n  - {client_id: a, client_id: b}\n", 2),
        ("clients: []\nusers: []\nclients: []\n", 3),
        (GOOD + "    secret: no such key\n", 5),
        (GOOD + "    status: sleeping\n", 5),
        (GOOD + "    tags: text\n", 5),
        (GOOD + "    reuse_assertions: perhaps\n", 5),
        (GOOD + "    owner: no-one\n", 5),
        (GOOD + "    token_endpoint_auth_method: tls_client_auth\n", 5),
        (GOOD + "    jwks: {keys: [{kty: oct, k: c2VjcmV0}]}\n", 5),
        (GOOD + "    redirect_uris:\n      - https://a.example/\n      - http://b.example/\n", 7),
        (GOOD + "  - client_id: first\n    client_secret: 0123456789-0123456789-0123456789\n", 5),
        (GOOD.replace("0123456789-0123456789-0123456789", "short"), 4),
        (GOOD.replace("[client_credentials]", "[client_credentials,\n      password]"), 3),
        (GOOD + "    client_secret_env: NOT_IN_THE_ENVIRONMENT\n", 5),
        (GOOD + "    client_secret_env: PATH\n", 5),
        (GOOD + "    ? [a, b]\n    : c\n", 5),
        (GOOD + "    5: number\n", 5),
        (GOOD + "    client_name: !!python/object:os.system x\n", 5),
        (GOOD + "resources:\n  - identifier: http://a.example/mcp\n", 6),
        (GOOD + "resources:\n  - identifier: https://a.example/\n  - identifier: https://a.example\n", 7),
        (GOOD + "resources:\n  - identifier: https://a.example/\n    access_token_lifetime: 10\n", 7),
        (GOOD + "resources:\n  - identifier: https://a.example/\n    scopes:\n      - {name: 'a b'}\n", 8),
        (GOOD + "resources:\n  - identifier: https://a.example/\n    scopes:\n      - name: a\n        x: y\n", 9),
        (GOOD + "resources:\n  - identifier: https://a.example/\n    introspection_clients: [no-one]\n", 7),
        (GOOD + TWO_DEFAULTS, 10),
        (GOOD + "users:\n  - username: dora\n    role: king\n", 7),
        (GOOD + f"users:\n  - username: dora\n    email: {'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}\n", 7),
        (GOOD + "rules:\n  - name: r\n    effect: permit\n", 7),
        (RULE + "    conditions:\n      networks:\n        - nonsense\n", 9),
        (RULE + "    conditions:\n      weather: [sunny]\n", 8),
        (RULE + "    max_lifetime: true\n", 7),
    ],
)
def test_a_wrong_file_changes_nothing_and_names_the_line(text: str, line: int) -> None:
    with pytest.raises(ConfigurationError) as mistake:
        apply(text)
    assert mistake.value.line == line, mistake.value
    assert f"line {line}" in str(mistake.value)
    for model in (Client, User, ProtectedResource, Rule, AuditEvent):
        assert model._default_manager.count() == 0


@pytest.mark.django_db
def test_aliases_cannot_multiply() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    for previous, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{name}: &{name} [{','.join([f'*{previous}'] * 10)}]\n"
    with pytest.raises(ConfigurationError, match="too large"):
        apply(bomb)


@pytest.mark.django_db
def test_a_file_that_contains_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="contains itself"):
        apply("clients: &a\n  - *a\n")


def test_applying_twice_changes_nothing(gatehouse: World) -> None:
    before = AuditEvent.objects.count()
    assert apply(world.configuration()) == []
    assert AuditEvent.objects.count() == before


def test_an_export_applies_to_itself_without_a_change(gatehouse: World) -> None:
    exported = export()
    assert apply(exported) == []
    assert apply(exported, prune=True) == []
    assert export() == exported


@pytest.mark.django_db
def test_every_key_that_can_be_written_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an export leaves out, applying it takes away without a word: such as who approves access to a server."""
    example = re.findall(r"^```yaml\n(.*?)^```", (BASE_DIR / "docs/configuration.md").read_text(), re.S | re.M)[-1]
    for name in re.findall(r"_env: (\w+)", example):
        monkeypatch.setenv(name, "whsec_" + "A" * 32)
    apply(example)
    for section in all_sections():
        # A rule is kept as it was written, without what it leaves out.
        if section.KEY == "rules":
            continue
        writable = set(section.SERIALIZER().fields) - getattr(section, "LOCAL", frozenset())
        writable -= getattr(section, "SHORTHANDS", frozenset())
        (row, *_) = [section.as_item(row) for row in section.rows()]
        assert writable == set(row), section.KEY


def test_an_export_keeps_who_approves_access_to_a_server(gatehouse: World) -> None:
    approvers = {"owner": True, "groups": ["leads"], "count": 2}
    with_approvers = world.configuration().replace("name: Payroll\n", f"name: Payroll\n    approvers: {approvers}\n", 1)
    (change,) = apply(with_approvers)
    assert any(line.startswith("    approvers: None → {") for line in change.lines())
    assert apply(export()) == []
    assert ProtectedResource.objects.get(name="Payroll").approvers == approvers


def test_a_password_is_kept_as_it_is_written(gatehouse: World) -> None:
    """Trimmed, it would not be the one that the person types."""
    apply('users: [{username: bob, password: " bob-password "}]')
    assert world.person("bob").check_password(" bob-password ")


def test_an_export_holds_no_secret(gatehouse: World) -> None:
    exported = export()
    for secret in (SECRET, "bob-password", world.client("nightly-report").secret_digest, world.person("bob").password):
        assert secret not in exported
    assert "client_secret:" not in exported
    assert {"users", "clients", "resources", "rules"} <= set(yaml.safe_load(exported))


def test_a_secret_is_hidden_in_the_difference_and_in_the_audit(gatehouse: World) -> None:
    new = "another-secret-0123456789-0123456789-0123456789"
    (change,) = apply(world.configuration().replace(SECRET, new, 1))
    shown = "\n".join(change.lines())
    assert "client_secret: '(hidden)' → '(hidden, changed)'" in shown
    event = AuditEvent.objects.order_by("id").last()
    assert event is not None
    assert event.event == "configuration:object:changed"
    assert event.client_id == "nightly-report"
    old_digest, digest = event.detail["before"], event.detail["after"]
    for text in (shown, str(old_digest), str(digest)):
        assert new not in text
        assert world.client("nightly-report").secret_digest not in text
    assert gatehouse.token(basic=("nightly-report", new), grant_type="client_credentials").status_code == 200
    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 401


def test_a_section_left_out_is_left_alone_and_prune_removes_what_a_section_does_not_name(gatehouse: World) -> None:
    kept = "rules: []\n"
    assert apply(kept) == []
    changes = apply(kept, prune=True, prune_all=True)
    assert [change.action for change in changes] == ["removed", "removed"]
    assert Rule.objects.count() == 0
    assert Client.objects.filter(client_id="nightly-report").exists()


def test_a_dry_run_shows_everything_and_does_nothing(gatehouse: World) -> None:
    before = AuditEvent.objects.count()
    changes = apply("rules: []\n" + GOOD, prune=True, prune_all=True, dry_run=True)
    assert {change.action for change in changes} == {"created", "removed"}
    assert Rule.objects.count() == 2
    assert not Client.objects.filter(client_id="first").exists()
    assert AuditEvent.objects.count() == before
    assert gatehouse.machine_token()


def test_a_secret_may_come_from_the_environment(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SECRET", SECRET[::-1])
    apply(world.configuration().replace(f"client_secret: {SECRET}", "client_secret_env: THE_SECRET", 1))
    assert gatehouse.token(basic=("nightly-report", SECRET[::-1]), grant_type="client_credentials").status_code == 200


class TestCommand:
    def test_it_prints_the_difference_and_says_when_there_is_none(self, db: None, tmp_path: Path) -> None:
        file = tmp_path / "gatehouse.yaml"
        file.write_text(GOOD)
        for expected in ("+ clients: first", "Nothing to change."):
            out = StringIO()
            call_command("apply", str(file), stdout=out)
            assert expected in out.getvalue()
            assert "0123456789" not in out.getvalue()

    def test_a_mistake_names_file_and_line(self, db: None, tmp_path: Path) -> None:
        file = tmp_path / "gatehouse.yaml"
        file.write_text(GOOD + "    nonsense: 1\n")
        with pytest.raises(CommandError, match=r"gatehouse\.yaml: line 5: .*Nothing was changed"):
            call_command("apply", str(file))

    def test_a_file_that_cannot_be_read_is_an_error(self, db: None, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe\xfa")
        for name in ("missing", "binary", ""):
            with pytest.raises(CommandError, match="cannot be read"):
                call_command("apply", str(tmp_path / name))

    def test_it_exports(self, gatehouse: World) -> None:
        out = StringIO()
        call_command("export", stdout=out)
        assert apply(out.getvalue()) == []


# --- One item ---------------------------------------------------------------------------------------------------------


def section(key: str) -> Section:
    return {found.KEY: found for found in all_sections()}[key]


@pytest.mark.django_db
def test_revising_an_item_records_who_and_what(gatehouse: World) -> None:
    by = By(name="alice", subject=str(world.person("alice").subject))

    changes = revise(section("rules"), "Agents read notes", lambda item: {**(item or {}), "max_lifetime": 60}, by=by)

    assert [(change.action, change.before["max_lifetime"], change.after["max_lifetime"]) for change in changes] == [
        ("changed", 300, 60)
    ]
    event = AuditEvent.objects.latest("id")
    assert (event.event, event.subject, event.detail["by"]) == (
        "configuration:object:changed",
        by.subject,
        "alice",
    )
    assert event.detail["after"]["max_lifetime"] == 60


@pytest.mark.django_db
def test_an_item_is_removed_by_revising_it_to_nothing(gatehouse: World) -> None:
    revise(section("rules"), "Agents read notes", lambda item: None, by=By())

    assert not Rule.objects.filter(name="Agents read notes").exists()
    assert revise(section("rules"), "Agents read notes", lambda item: None, by=By()) == []


@pytest.mark.django_db
def test_a_revision_cannot_rename_an_item(gatehouse: World) -> None:
    with pytest.raises(ConfigurationError, match="does not change"):
        revise(section("rules"), "Agents read notes", lambda item: {**(item or {}), "name": "Another"}, by=By())

    assert Rule.objects.filter(name="Agents read notes").exists()


@pytest.mark.django_db
def test_a_revision_reports_the_default_that_it_takes_from_another(gatehouse: World) -> None:
    changes = revise(section("resources"), world.PAYROLL, lambda item: {**(item or {}), "default": True}, by=By())

    assert {change.key: change.after["default"] for change in changes} == {world.PAYROLL: True, world.NOTES: False}


@pytest.mark.django_db
def test_what_is_not_permitted_changes_nothing_and_is_not_recorded(gatehouse: World) -> None:
    before = AuditEvent.objects.count()

    def never(change: Change) -> None:
        raise PermissionError(change.key)

    with pytest.raises(PermissionError):
        revise(section("rules"), "Agents read notes", lambda item: None, by=By(), permit=never)
    with pytest.raises(PermissionError):
        apply("rules: []\n", prune=True, prune_all=True, permit=never)

    assert Rule.objects.count() == 2
    assert AuditEvent.objects.count() == before


@pytest.mark.django_db
def test_what_comes_over_the_network_cannot_read_the_servers_environment(
    gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "0123456789-0123456789-0123456789-0123456789")
    item = {"client_id": "thief", "grant_types": ["client_credentials"], "client_secret_env": "SOME_SECRET"}

    with pytest.raises(ConfigurationError, match="on the server itself"):
        revise(section("clients"), "thief", lambda _: item, by=By())
    with pytest.raises(ConfigurationError, match="on the server itself"):
        apply(json.dumps({"clients": [item]}), local=False)

    assert apply(json.dumps({"clients": [item]}))


@pytest.mark.django_db
@pytest.mark.parametrize("text", ['"a\\0b"', '"\\uD800"'])
def test_a_text_that_no_database_keeps_is_a_mistake_with_a_line(text: str) -> None:
    with pytest.raises(ConfigurationError, match="line 3"):
        apply(f"users:\n  - username: dora\n    groups: [{text}]\n")
