"""Clients that have no secret redeem ID-JAGs where an administrator names their hosts, and nowhere else (attack 19)."""

import json
import time
from typing import Any

import pytest
import yaml

from authz import decisions
from authz.configuration import ConfigurationError, apply, export
from authz.database import configuration_cache
from authz.decisions import simulation
from authz.models import AuditEvent, Authorization, Client, Rule
from authz.policy import reach
from tests.support.world import NOTES, claims, person, without_reference
from tests.xaa.company import IDP, JWT_BEARER, Company, refused
from xaa import liveness
from xaa.models import TrustedIssuer
from xaa.trusted_issuers import public_clients

CLAUDE = "https://claude.ai/oauth/claude-code-client-metadata"
NOT_AUTHENTICATED = (400, "unauthorized_client")
REFUSED = (400, "invalid_grant")


def document(url: str = CLAUDE, **columns: Any) -> Client:
    """A client as the resolver of documents keeps it."""
    values = {
        "client_id": url,
        "name": "Claude Code",
        "status": Client.Status.APPROVED,
        "registration_source": Client.RegistrationSource.CIMD,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", JWT_BEARER],
        "redirect_uris": "http://localhost/callback",
    }
    return Client.objects.create(**values | columns)


@pytest.fixture
def claude(company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """Claude's document is known here and allowed, and its host is named by the IdP's entry."""
    from cimd import resolver

    monkeypatch.setattr(resolver, "recognises", lambda client_id: False)
    document()
    rule = Rule.objects.get(name="Engineers reach Notes across apps")
    rule.definition = {**rule.definition, "clients": ["*"]}
    rule.save()
    name("claude.ai")
    return company


def name(*hosts: str, **fields: Any) -> None:
    issuer = TrustedIssuer.objects.get(issuer=IDP)
    issuer.public_clients = list(hosts)
    for field, value in fields.items():
        setattr(issuer, field, value)
    issuer.save()


def brief(company: Company, *, client: str = CLAUDE, lives: int = 60, **changes: Any) -> str:
    now = int(time.time())
    return company.idp.id_jag(**{"client_id": client, "iat": now, "exp": now + lives} | changes)


def redeem(company: Company, assertion: str, *, client: str = CLAUDE, **params: Any) -> Any:
    return company.redeem_assertion(assertion, basic=None, client_id=client, **params)


def test_a_document_without_a_secret_redeems_an_id_jag_of_its_own(claude: Company) -> None:
    response = redeem(claude, brief(claude, jti="one"))
    assert response.status_code == 200, response.content
    body = json.loads(response.content)
    token = claims(body["access_token"])
    assert (token["client_id"], token["sub"], token["aud"]) == (CLAUDE, str(person("bob").subject), NOTES)
    assert "refresh_token" not in body
    assert claude.introspect(body["access_token"])["active"] is True
    event = AuditEvent.objects.get(event="token:id_jag:redeemed_without_secret")
    assert event.client_id == CLAUDE
    assert event.detail == {"issuer": IDP, "host": "claude.ai", "assertion_jti": "one"}


@pytest.mark.parametrize(
    ("hosts", "client", "is_let"),
    [
        (["claude.ai"], CLAUDE, True),
        (["*.claude.ai"], CLAUDE, False),
        (["*.claude.ai"], "https://code.claude.ai/client", True),
        (["claude.ai"], "https://code.claude.ai/client", False),
        (["claude.ai"], "https://claude.ai.evil.example/client", False),
        (["claude.ai"], "https://evil.example/claude.ai", False),
        (["claude.ai"], "https://evilclaude.ai/client", False),
        (["claude.ai"], "https://claude.ai:8443/client", True),
        (["vscode.dev", "claude.ai"], CLAUDE, True),
        (["vscode.dev"], CLAUDE, False),
        ([], CLAUDE, False),
    ],
)
def test_only_hosts_that_are_named(claude: Company, hosts: list[str], client: str, is_let: bool) -> None:
    if client != CLAUDE:
        document(client)
    name(*hosts)
    response = redeem(claude, brief(claude, client=client), client=client)
    assert (response.status_code == 200) is is_let
    if not is_let:
        assert refused(response) == NOT_AUTHENTICATED


@pytest.mark.parametrize(
    ("columns", "answer"),
    [
        ({"registration_source": Client.RegistrationSource.DCR}, NOT_AUTHENTICATED),  # it could have had a secret
        ({"registration_source": Client.RegistrationSource.MANUAL}, NOT_AUTHENTICATED),
        ({"grant_types": ["authorization_code"]}, NOT_AUTHENTICATED),
        ({"status": Client.Status.SUSPENDED}, NOT_AUTHENTICATED),
        ({"status": Client.Status.PENDING}, NOT_AUTHENTICATED),
        ({"token_endpoint_auth_method": "private_key_jwt"}, (401, "invalid_client")),
        ({"token_endpoint_auth_method": "client_secret_basic"}, (401, "invalid_client")),
    ],
)
def test_only_documents_that_are_public_approved_and_list_the_grant(
    claude: Company, columns: dict[str, Any], answer: tuple[int, str]
) -> None:
    Client.objects.filter(client_id=CLAUDE).update(**columns)
    assert refused(redeem(claude, brief(claude))) == answer


@pytest.mark.parametrize(
    ("lifetime", "iat", "exp", "is_let"),
    [
        (60, 0, 60, True),
        (60, -30, 30, True),
        (60, 2, 62, True),  # the issuer's clock is two seconds ahead
        (60, 0, 61, False),
        (60, 0, 300, False),
        (60, -58, 3, False),  # little is left of it, and it was long
        (60, -61, -1, False),  # no clock is forgiven at its end
        (60, 20, 80, False),
        (60, -280, 20, False),
        (120, 0, 120, True),
        (120, 0, 121, False),
        (10, 0, 60, False),
    ],
)
def test_it_lives_as_long_as_is_said_and_no_second_longer(
    claude: Company, lifetime: int, iat: int, exp: int, is_let: bool
) -> None:
    name("claude.ai", public_client_lifetime=lifetime)
    now = int(time.time()) if iat >= 0 else int(time.time()) + 1
    response = redeem(claude, claude.idp.id_jag(client_id=CLAUDE, iat=now + iat, exp=now + exp))
    assert (response.status_code == 200) is is_let, response.content
    if not is_let:
        assert refused(response) == REFUSED


def test_a_stolen_one_is_of_no_use_twice(claude: Company) -> None:
    """Who has no secret gets no second answer either: the thief would get it."""
    assertion = brief(claude)
    assert redeem(claude, assertion).status_code == 200
    assert refused(redeem(claude, assertion)) == REFUSED
    assert refused(redeem(claude, assertion, resource=NOTES)) == REFUSED
    assert Authorization.objects.filter(grant_type=JWT_BEARER).count() == 1


@pytest.mark.parametrize("other", [f"{CLAUDE}/", f"{CLAUDE}?x", "https://claude.ai/oauth/other", CLAUDE.upper()])
def test_a_stolen_one_is_of_no_use_to_another_document(claude: Company, other: str) -> None:
    document(other)
    assert redeem(claude, brief(claude), client=other).status_code in {400, 401}
    assert not Authorization.objects.filter(grant_type=JWT_BEARER).exists()


def test_another_issuer_has_to_name_the_host_itself(claude: Company) -> None:
    """The answer is the same in both cases: which issuers are trusted for which clients is confidential."""
    TrustedIssuer.objects.update(public_clients=[])
    TrustedIssuer.objects.create(issuer="https://second.example", accepts=["id-jag"], public_clients=["claude.ai"])
    unnamed = redeem(claude, brief(claude))
    unknown = redeem(claude, brief(claude, iss="https://unknown.example"))
    assert refused(unnamed) == refused(unknown) == REFUSED
    assert without_reference(unnamed) == without_reference(unknown)
    reasons = AuditEvent.objects.filter(event="token:access:refused").values_list("reason", flat=True)
    assert set(reasons) == {"client_is_public_to_issuer", "issuer_untrusted"}


def test_taking_the_host_away_ends_what_it_has(claude: Company) -> None:
    token = json.loads(redeem(claude, brief(claude)).content)["access_token"]
    name("vscode.dev")
    assert claude.introspect(token) == {"active": False}
    assert Authorization.objects.get(grant_type=JWT_BEARER).revoked_reason == "host_withdrawn"


def test_taking_the_host_away_at_the_database_ends_it_too(claude: Company) -> None:
    token = json.loads(redeem(claude, brief(claude)).content)["access_token"]
    configuration_cache.begin()
    assert not Authorization.objects.filter(liveness.not_live(), grant_type=JWT_BEARER).exists()
    TrustedIssuer.objects.update(public_clients=[])
    assert claude.introspect(token) == {"active": False}
    assert Authorization.objects.filter(liveness.not_live(), grant_type=JWT_BEARER).exists()


def test_hosts_that_are_named_are_given_the_grant(company: Company) -> None:
    name("claude.ai", "*.example.com")
    given = {host: public_clients.allowed(host) for host in ("claude.ai", "a.example.com", "evil.example", "")}
    assert {host for host, grants in given.items() if grants == {JWT_BEARER}} == {"claude.ai", "a.example.com"}
    TrustedIssuer.objects.update(enabled=False)
    configuration_cache.begin()
    assert public_clients.allowed("claude.ai") == frozenset()


def test_who_reaches_what_shows_the_way(claude: Company) -> None:
    def ways() -> set[str]:
        configuration_cache.forget()
        among = simulation.cast(client_id=CLAUDE, username="bob")
        rows = reach(decisions.cached_rules(), among.agents, among.persons, among.servers, time.time())
        return {grant for row in rows if row.resource == NOTES for grant in row.grant_types}

    assert JWT_BEARER in ways()
    name("vscode.dev")
    assert JWT_BEARER not in ways()


# --- What an administrator writes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("[claude.ai]", ["claude.ai"]),
        ("[Claude.AI]", ["claude.ai"]),
        ("[' claude.ai ']", ["claude.ai"]),
        ("['claude.ai.']", ["claude.ai"]),
        ("['*.Example.com']", ["*.example.com"]),
        ("[claude.ai, Claude.ai]", ["claude.ai"]),
        ("[localhost]", ["localhost"]),
        ("[xn--bcher-kva.example]", ["xn--bcher-kva.example"]),
        ("[]", []),
    ],
)
def test_a_host_is_the_same_however_it_is_written(company: Company, written: str, kept: list[str]) -> None:
    text = f"trusted_issuers: [{{issuer: https://i.example, public_clients: {written}}}]"
    apply(text)
    assert TrustedIssuer.objects.get(issuer="https://i.example").public_clients == kept
    assert apply(text) == []
    exported = yaml.safe_load(export())["trusted_issuers"]
    assert apply(yaml.safe_dump({"trusted_issuers": exported})) == []


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("public_clients: ['*']", "is not a host"),
        ("public_clients: ['*.com']", "is not a host"),
        ("public_clients: ['claude.*']", "is not a host"),
        ("public_clients: ['https://claude.ai/x']", "is not a host"),
        ("public_clients: ['claude.ai:443']", "is not a host"),
        ("public_clients: ['']", "must not be empty"),
        ("public_clients: claude.ai", "list"),
        ("public_client_lifetime: 301", "300"),
        ("public_client_lifetime: 9", "10"),
        ("email_trusted: true", "email_domains"),
        ("email_domains: ['@example.com']", "is not a host"),
    ],
)
def test_patterns_for_no_host_or_all_hosts_are_refused(company: Company, keys: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        apply(f"trusted_issuers: [{{issuer: https://i.example, {keys}}}]")
