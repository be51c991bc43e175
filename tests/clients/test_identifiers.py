"""Identifiers are unique across clients, resources and issuers, at every input."""

import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client as Browser

from authz.clients import identifiers
from authz.conf import conf
from authz.configuration import ConfigurationError, apply, export
from authz.models import Client, User
from authz.operations import doctor
from authz.protocol.identifiers import compared, is_like_a_subject
from tests.support import rows, world
from tests.support.world import NOTES, SECRET, World
from xaa.models import ResourceAuthorizationServer, SubjectLink, TrustedIssuer

BACKEND = "authz.sign_in.password_backend.PasswordBackend"
UUID = "9f2c1d0e-7b6a-4c3d-8e9f-0a1b2c3d4e5f"
SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda sub: sub.title(),
    lambda sub: sub.replace("-", ""),
    lambda sub: sub.replace("-", "").upper(),
    lambda sub: f"{{{sub}}}",
    lambda sub: f"urn:uuid:{sub}",
    lambda sub: f"URN:UUID:{sub.upper()}",
    lambda sub: f"uuid:{sub}",
    lambda sub: f"urn:uuid:{{{sub}}}",
    lambda sub: f"({sub})",
    lambda sub: sub.replace("-", "_"),
    lambda sub: "-".join(sub.replace("-", "")),
]


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_uuid_is_one_in_every_spelling(spelt: Callable[[str], str]) -> None:
    assert is_like_a_subject(spelt(UUID))


@pytest.mark.parametrize(
    "client_id",
    [
        "nightly-report",
        "agent-0123456789abcdefghij",
        f"{UUID}0",
        UUID[:-1],
        f"agent-{UUID}",
        f"https://{UUID}.example/c.json",
        UUID.replace("a", "g"),
        "deadbeef",
        "",
    ],
)
def test_anything_else_is_none(client_id: str) -> None:
    assert not is_like_a_subject(client_id)


@pytest.fixture
def organisation(gatehouse: World) -> World:
    rows.make(_beside_the_world)
    return gatehouse


def _beside_the_world() -> None:
    apply("users: [{username: dev, password: dev-password-1, role: developer}]")
    issuer = TrustedIssuer.objects.create(issuer="https://idp.example.com/x", name="IdP")
    SubjectLink.objects.create(issuer=issuer, subject="00u-Alice", user=world.person("alice"))
    ResourceAuthorizationServer.objects.create(issuer="https://chat.example.com", name="Chat")


def sub_of_alice() -> str:
    return str(world.person("alice").subject)


# Identifiers that no client may have.
TAKEN: list[Callable[[], str]] = [
    *(lambda spelt=spelt: spelt(sub_of_alice()) for spelt in SPELLINGS),  # type: ignore[misc]
    lambda: UUID,
    lambda: "00u-Alice",
    lambda: "00U-ALICE",
    lambda: NOTES,
    lambda: f"{NOTES}/",
    NOTES.upper,
    lambda: "https://idp.example.com/x",
    lambda: "https://IDP.example.com/x/",
    lambda: "https://chat.example.com",
    lambda: conf.issuer,
    lambda: f"{conf.issuer}/",
    lambda: conf.endpoint("token"),
]
NUMBERS = range(len(TAKEN))


def by_apply(client_id: str) -> bool:
    try:
        apply(json.dumps({"clients": [{"client_id": client_id, "grant_types": ["client_credentials"],
                                       "client_secret": SECRET}]}))  # fmt: skip
    except ConfigurationError as error:
        return "client_id" not in str(error)
    return True


def signed_in(username: str) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.get(username=username), BACKEND)
    return browser


def by_console(client_id: str) -> bool:
    form = {
        "name": "An agent",
        "client_id": client_id,
        "grant_types": "client_credentials",
        "token_endpoint_auth_method": "client_secret_basic",
    }
    return signed_in("alice").post("/console/authz/client/add/", form).status_code == 302


def by_section(client_id: str) -> bool:
    item = {"client_id": client_id, "grant_types": ["client_credentials"], "client_secret": SECRET}
    path = f"/api/v1/configuration/clients/{client_id.replace('/', '%2F')}"
    return signed_in("alice").put(path, item, content_type="application/json").status_code < 300


def by_registering(client_id: str) -> bool:
    item = {"client_id": client_id, "grant_types": ["client_credentials"]}
    return signed_in("dev").post("/api/v1/agents", item, content_type="application/json").status_code < 300


@pytest.mark.parametrize("door", [by_apply, by_console, by_section, by_registering])
@pytest.mark.parametrize("number", NUMBERS)
def test_no_door_lets_a_client_have_it(organisation: World, number: int, door: Callable[[str], bool]) -> None:
    client_id = TAKEN[number]()
    before = set(Client.objects.values_list("client_id", flat=True))
    assert not door(client_id)
    assert set(Client.objects.values_list("client_id", flat=True)) == before


@pytest.mark.parametrize("door", [by_apply, by_console, by_section, by_registering])
@pytest.mark.parametrize("client_id", ["weather", "agent-x_1.2"])
def test_every_door_lets_a_client_have_its_own(
    organisation: World, client_id: str, door: Callable[[str], bool]
) -> None:
    assert door(client_id)
    assert Client.objects.filter(client_id=client_id).exists()


@pytest.mark.parametrize("number", [n for n in NUMBERS if n >= len(SPELLINGS)])
def test_no_document_does_either(organisation: World, number: int) -> None:
    assert identifiers.client_id_problem(TAKEN[number]())


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_door_that_is_yet_to_be_built_meets_the_model(organisation: World, spelt: Callable[[str], str]) -> None:
    with pytest.raises(ValidationError, match="UUID"):
        Client.objects.create(client_id=spelt(sub_of_alice()))


@pytest.mark.parametrize(
    "text",
    [
        "resources: [{identifier: 'https://agent.example.com/c.json'}]",
        "resources: [{identifier: 'https://agent.example.com/C.JSON'}]",
        "resources: [{identifier: 'https://agent.example.com/c.json/'}]",
        "trusted_issuers: [{issuer: 'https://agent.example.com/c.json', name: X}]",
        "trusted_issuers: [{issuer: 'https://AGENT.example.com/c.json', name: X}]",
        "resource_authorization_servers: [{issuer: 'https://agent.example.com/c.json', name: X}]",
    ],
)
def test_nothing_new_is_named_like_a_client(organisation: World, text: str) -> None:
    Client.objects.create(client_id="https://agent.example.com/c.json")
    with pytest.raises(ConfigurationError, match="is the client_id of an agent"):
        apply(text)


def test_what_is_there_goes_on_and_is_told_of(organisation: World) -> None:
    older = [UUID, UUID.upper(), "https://idp.example.com/x"]
    for client_id in older:
        apply(f"clients: [{{client_id: '{client_id}x', grant_types: [client_credentials], client_secret: {SECRET}}}]")
        Client.objects.filter(client_id=f"{client_id}x").update(client_id=client_id)
    findings = doctor.examine()["agents"]
    assert {next(each for each in older if f" {each} " in finding.says) for finding in findings} == set(older)
    assert all(finding.level == doctor.ERROR for finding in findings)
    assert not apply(export())
    row = Client.objects.get(client_id=UUID)
    row.name = "It may be changed"
    row.save()


def test_no_new_person_gets_the_subject_of_an_older_client(
    organisation: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client.objects.create(client_id="older")
    Client.objects.filter(pk=client.pk).update(client_id=UUID.upper())
    person = User.objects.create(username="zoe", subject=UUID)
    assert str(person.subject) != UUID
    assert str(User.objects.get(username="zoe").subject) == str(person.subject)


def test_a_healthy_installation_has_no_finding(organisation: World) -> None:
    assert doctor.examine()["agents"] == []
    out = StringIO()
    call_command("export", stdout=out)
    assert "nightly-report" in out.getvalue()


@pytest.mark.parametrize(
    ("one", "other"),
    [("https://A.example/x", "https://a.example/x/"), ("Agent", "agent"), (" x ", "x"), ("x//", "x"), ("", "/")],
)
def test_neither_case_nor_a_final_slash_tells_two_apart(one: str, other: str) -> None:
    assert compared(one) == compared(other)
