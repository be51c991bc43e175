"""Directories in the file, the API, the console, the command and `doctor`; access tokens of an agent."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import reverse

from authz.configuration import ConfigurationError, apply, export
from authz.models import AuditEvent
from tests.cimd.test_console import browser
from tests.support import rows
from tests.xaa.company import IDP, Company
from tests.xaa.directories import USER, Scim, configure
from xaa.models import Directory, DirectoryContact, DirectoryToken
from xaa.scim import doctor, state


@pytest.fixture
def okta(company: Company) -> Scim:
    configure()
    return Scim("Okta")


def directory(*arguments: str) -> str:
    output = StringIO()
    call_command("directory", *arguments, stdout=output)
    return output.getvalue()


class TestConfiguration:
    def test_it_is_exported_as_it_was_applied(self, okta: Scim) -> None:
        found = yaml.safe_load(export())["directories"]
        assert [one["name"] for one in found] == ["Okta", "Other", "Own"]
        assert found[0]["issuer"] == IDP
        assert apply(export(), dry_run=True) == []

    @pytest.mark.parametrize(
        ("item", "problem"),
        [
            ("{name: x, subject: externalId}", "needs an issuer"),
            ("{name: x, tenant: t}", "needs an issuer"),
            ("{name: x, groups: ['a*b']}", "star"),
            ("{name: x, issuer: 'https://other-idp.example'}", "its? (?:sub|needed)|needed"),
            ("{name: x, issuer: 'https://idp.example', subject: externalId}", "another directory"),
            ("{name: x, client_id: nothing}", "does not exist|no"),
        ],
    )
    def test_what_is_refused(self, okta: Scim, item: str, problem: str) -> None:
        with pytest.raises(ConfigurationError, match=problem):
            apply(f"directories: [{item}]")


class TestCommand:
    def test_a_token_is_made_listed_and_withdrawn(self, okta: Scim) -> None:
        made = directory("token", "Okta", "--days", "3")
        okta.token = next(line.split()[1] for line in made.splitlines() if line.startswith("token"))
        assert okta.ask("GET", "/Users").status == 200
        (one,) = [one for one in json.loads(directory("list", "--json")) if one["name"] == "Okta"]
        assert len(one["tokens"]) == 2
        assert "Okta" in directory("list")
        assert directory("withdraw", "Okta", "--all") == "Withdrawn: 2.\n"
        assert okta.ask("GET", "/Users").status == 401
        events = set(AuditEvent.objects.filter(event__startswith="directory:token").values_list("event", flat=True))
        assert events == {"directory:token:made", "directory:token:withdrawn"}

    @pytest.mark.parametrize(
        "arguments", [("token", "None"), ("token", "Okta", "--days", "0"), ("withdraw", "Own", "--all")]
    )
    def test_what_is_refused(self, okta: Scim, arguments: tuple[str, ...]) -> None:
        with pytest.raises(CommandError):
            directory(*arguments)


class TestConsole:
    def test_a_token_is_shown_once_and_withdrawn(self, okta: Scim) -> None:
        DirectoryToken.objects.all().delete()
        page, address = (
            browser("alice", "administrator"),
            reverse("admin:xaa_directory_tokens", args=[okta.directory.pk]),
        )
        shown: Any = page.post(address, {"days": "30"})
        token = shown.context["made"]
        assert token in shown.content.decode()
        assert token not in page.get(address).content.decode()
        okta.token = token
        assert okta.ask("GET", "/Users").status == 200
        page.post(address, {"withdraw": str(DirectoryToken.objects.get().pk)})
        assert okta.ask("GET", "/Users").status == 401

    def test_another_directorys_token_is_not_withdrawn_here(self, okta: Scim) -> None:
        other = Directory.objects.get(name="Other")
        address = reverse("admin:xaa_directory_tokens", args=[other.pk])
        browser("alice", "administrator").post(address, {"withdraw": str(DirectoryToken.objects.get().pk)})
        assert okta.ask("GET", "/Users").status == 200

    def test_its_page(self, okta: Scim) -> None:
        okta.person()
        address = reverse("admin:xaa_directory_change", args=[okta.directory.pk])
        text = browser("alice", "administrator").get(address).content.decode()
        assert state.address() in text
        assert browser("alice", "administrator").get(reverse("admin:xaa_directory_changelist")).status_code == 200
        assert browser("alice", "administrator").get(reverse("admin:index")).status_code == 200


class TestDoctor:
    def problems(self, name: str = "Okta") -> list[str]:
        return [one.says for one in doctor.directories() if one.says.startswith(name)]

    def test_one_that_is_well(self, okta: Scim) -> None:
        DirectoryToken.objects.update(expires=datetime.now(UTC) + timedelta(days=90))
        okta.person()
        assert self.problems() == []

    def test_no_token(self, okta: Scim) -> None:
        DirectoryToken.objects.all().delete()
        assert "no SCIM token" in self.problems()[0]

    def test_a_token_that_ends_soon_silence_and_an_error(self, okta: Scim) -> None:
        okta.person()
        long_ago = datetime.now(UTC) - timedelta(days=3)
        DirectoryContact.objects.update(last=long_ago, failed=long_ago, failure="400 A name is missing.")
        found = self.problems()
        assert len(found) == 3


class TestAccessTokens:
    @pytest.mark.parametrize(
        ("scope", "read", "written"),
        [("scim:read scim:write", 200, 201), ("scim:read", 200, 403), ("other", 403, 403)],
    )
    def test_of_the_agent_that_the_directory_names(
        self, okta: Scim, company: Company, scope: str, read: int, written: int
    ) -> None:
        rows.make(lambda: _with_agent("Okta"))
        okta.token = _token(company, scope)
        assert okta.ask("GET", "/Users").status == read
        found = okta.ask("POST", "/Users", {"schemas": [USER], "userName": "a", "externalId": "a"})
        assert found.status == written

    def test_of_another_agent(self, okta: Scim, company: Company) -> None:
        _with_agent("")
        okta.token = _token(company, "scim:read")
        assert okta.ask("GET", "/Users").status == 401

    def test_of_another_resource(self, okta: Scim, company: Company) -> None:
        _with_agent("Okta")
        okta.token = company.machine_token()["access_token"]
        assert okta.ask("GET", "/Users").status == 401


def _with_agent(name: str) -> None:
    of = f"directories: [{{name: Okta, issuer: '{IDP}', subject: externalId, client_id: provisioner}}]" if name else ""
    apply(f"""
clients:
  - client_id: provisioner
    status: approved
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: provisioner-secret-0123456789-0123456789
resources:
  - identifier: {state.address()}
    name: SCIM
    scopes: [{{name: "scim:read"}}, {{name: "scim:write"}}, {{name: other}}]
rules:
  - name: The provisioner provisions
    effect: allow
    clients: [provisioner]
    grant_types: [client_credentials]
    resources: ["{state.address()}"]
    scopes: ["scim:read", "scim:write", other]
{of}
""")


def _token(company: Company, scope: str) -> str:
    found = company.token(
        basic=("provisioner", "provisioner-secret-0123456789-0123456789"),
        grant_type="client_credentials",
        resource=state.address(),
        scope=scope,
    )
    assert found.status_code == 200, found.content
    return str(json.loads(found.content)["access_token"])
