"""Attack 15: one ID-JAG presented again, sequentially, and fifty times at once over several processes."""

import http.server
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from authz.models import AuditEvent, Authorization, Rule, UsedAssertion
from authz.protocol import jwks
from tests.support import commands, databases
from tests.support.races import at_once
from tests.support.world import World
from tests.xaa import company as organisation
from tests.xaa.company import AGENT, CHARLIES_AGENT, JWT_BEARER, Company, Idp, refused
from xaa import housekeeping, trusted_issuers
from xaa.models import Redemption, SubjectLink, TrustedIssuer
from xaa.subjects import subject_effects, subject_resolution

REFUSED = (400, "invalid_grant")
PROCESSES, THREADS = 5, 10
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    return organisation.with_keys(organisation.build(), monkeypatch)


def test_an_id_jag_is_good_once(company: Company, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": 0}
    assertion = company.idp.id_jag()
    assert company.redeem_assertion(assertion).status_code == 200
    for _ in range(3):
        assert refused(company.redeem_assertion(assertion)) == REFUSED


# --- The same request once more ---------------------------------------------------------------------------------------


def body(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    return dict(json.loads(response.content))


def test_a_client_that_lost_the_response_gets_the_same_one(company: Company) -> None:
    assertion = company.idp.id_jag()
    first = body(company.redeem_assertion(assertion))
    for _ in range(3):
        assert body(company.redeem_assertion(assertion)) == first
    assert Authorization.objects.filter(grant_type=JWT_BEARER).count() == 1
    assert AuditEvent.objects.filter(event="token:access:issued", client_id=AGENT[0]).count() == 1
    assert AuditEvent.objects.filter(event="token:id_jag:answer_repeated").count() == 3
    assert first["access_token"].encode() not in bytes(Redemption.objects.get().answer)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ({}, {"scope": "mcp:read"}),
        ({"scope": "mcp:read"}, {}),
        ({}, {"resource": organisation.world.NOTES}),
        ({"resource": organisation.world.NOTES}, {}),
        ({"scope": "mcp:read"}, {"scope": "mcp:read mcp:write"}),
    ],
)
def test_another_request_with_it_is_a_replay(company: Company, first: dict[str, str], again: dict[str, str]) -> None:
    assertion = company.idp.id_jag()
    assert company.redeem_assertion(assertion, **first).status_code == 200
    assert refused(company.redeem_assertion(assertion, **again)) == REFUSED


def test_another_client_gets_no_second_answer(company: Company) -> None:
    assertion = company.idp.id_jag()
    assert company.redeem_assertion(assertion).status_code == 200
    assert refused(company.redeem_assertion(assertion, CHARLIES_AGENT)) == REFUSED


def test_after_the_window_it_is_a_replay(company: Company) -> None:
    assertion = company.idp.id_jag()
    assert company.redeem_assertion(assertion).status_code == 200
    Redemption.objects.update(until=datetime.now(UTC))
    assert refused(company.redeem_assertion(assertion)) == REFUSED


def test_an_authorization_that_ended_meanwhile_is_not_given_again(company: Company) -> None:
    assertion = company.idp.id_jag()
    assert company.redeem_assertion(assertion).status_code == 200
    Authorization.objects.filter(grant_type=JWT_BEARER).update(revoked=datetime.now(UTC), revoked_reason="test")
    assert refused(company.redeem_assertion(assertion)) == REFUSED


def test_a_client_that_lost_access_gets_no_repeated_response(company: Company) -> None:
    assertion = company.idp.id_jag()
    assert company.redeem_assertion(assertion).status_code == 200
    organisation.world.person("bob").groups.clear()
    assert refused(company.redeem_assertion(assertion)) == REFUSED


def test_answers_are_forgotten(company: Company) -> None:
    company.redeem_assertion(company.idp.id_jag())
    housekeeping.run()
    assert Redemption.objects.exists()
    Redemption.objects.update(until=datetime.now(UTC) - timedelta(hours=1))
    housekeeping.run()
    assert not Redemption.objects.exists()


def test_an_id_jag_of_several_resources_is_good_once_for_each(company: Company, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": 0}
    rule = Rule.objects.get(name="Engineers reach Notes across apps")
    rule.definition = {**rule.definition, "resources": ["*"], "scopes": ["*"]}
    rule.save()
    both = company.idp.id_jag(resource=[organisation.world.NOTES, organisation.world.PAYROLL], scope=None)
    for resource in (organisation.world.NOTES, organisation.world.PAYROLL):
        assert body(company.redeem_assertion(both, resource=resource))["resource"] == resource
        assert refused(company.redeem_assertion(both, resource=resource)) == REFUSED
    # Without a limit the first request chooses.
    free = company.idp.id_jag(resource=None, scope=None)
    assert body(company.redeem_assertion(free))["resource"] == organisation.world.NOTES
    assert refused(company.redeem_assertion(free, resource=organisation.world.PAYROLL)) == REFUSED


def test_another_token_with_the_same_jti_is_the_same_assertion(company: Company) -> None:
    assert company.redeem_assertion(company.idp.id_jag(jti="once")).status_code == 200
    assert refused(company.redeem_assertion(company.idp.id_jag(jti="once", scope="mcp:read mcp:write"))) == REFUSED


def test_the_same_jti_of_another_issuer_does_not_collide(company: Company) -> None:
    TrustedIssuer.objects.create(
        issuer="https://second.example",
        name="Second",
        jwks_uri=organisation.IDP_JWKS,
        accepts=["id-jag"],
        match=["email"],
    )
    second = Idp("https://second.example")
    second.key, second.kid = company.idp.key, company.idp.kid
    assert company.redeem_assertion(company.idp.id_jag(jti="same")).status_code == 200
    assert company.redeem_assertion(second.id_jag(jti="same")).status_code == 200


@pytest.mark.parametrize(
    ("basic", "params"),
    [
        (CHARLIES_AGENT, {}),
        (AGENT, {"scope": "mcp:write"}),
        (AGENT, {"resource": "https://payroll.example.com/mcp"}),
        (None, {"client_id": "public-agent"}),
    ],
)
def test_a_request_that_fails_does_not_burn_the_victims_assertion(
    company: Company, basic: tuple[str, str] | None, params: dict[str, str]
) -> None:
    assertion = company.idp.id_jag()
    assert company.redeem_assertion(assertion, basic, **params).status_code == 400
    assert not UsedAssertion.objects.exists()
    assert company.redeem_assertion(assertion).status_code == 200


def test_a_forgery_with_the_victims_jti_does_not_burn_it(company: Company) -> None:
    assertion = company.idp.id_jag(jti="victim")
    assert refused(company.redeem_assertion(Idp().id_jag(jti="victim"))) == REFUSED
    assert company.redeem_assertion(assertion).status_code == 200


def test_a_used_assertion_is_remembered_for_as_long_as_it_could_be_accepted(company: Company) -> None:
    company.redeem_assertion(company.idp.id_jag(exp=int(time.time()) + 600))
    remembered = UsedAssertion.objects.get().expires.timestamp() - time.time()
    assert 600 < remembered < 700


# --- At once ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def idp() -> Iterator[tuple[Idp, str]]:
    """A real IdP's JWKS on loopback, and its address."""
    idp = Idp()
    jwk = jwks.public_jwk(idp.key.public_key(), kid=idp.kid, alg="ES256")

    class Jwks(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"keys": [jwk]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jwks)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    yield idp, host
    server.shutdown()
    server.server_close()


def test_fifty_at_once_over_several_processes_get_one_token(idp: tuple[Idp, str], tmp_path: Path) -> None:
    answers = fifty_at_once(idp, tmp_path)
    # One authorization and one token, which each of them is given: the client can't know which answer gets lost.
    assert len(answers) == 1
    assert next(iter(answers)).startswith("200 ")
    assert answers.total() == PROCESSES * THREADS


def fifty_at_once(idp: tuple[Idp, str], tmp_path: Path, **settings_: str) -> Counter[str]:
    issuer, host = idp
    company = tmp_path / "company.yaml"
    company.write_text(organisation.CONFIGURATION.replace(organisation.IDP_JWKS, f"http://{host}/jwks"))
    with databases.database(tmp_path, organisation.world.configuration()) as database:
        environment = os.environ | {
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "authz.settings",
            "GATEHOUSE_ISSUER": organisation.conf.issuer,
            "GATEHOUSE_SECRET_KEY": commands.SECRET_KEY,
            "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": host,
            "PYTHONPATH": str(ROOT),
            **settings_,
        }
        commands.python(["manage.py", "apply", str(company)], environment)
        redeem = ["-m", "tests.xaa.redeem_at_once", issuer.id_jag(), str(PROCESSES), str(THREADS)]
        return Counter(commands.python(redeem, environment).splitlines())


def test_without_a_window_one_of_fifty_at_once_gets_a_token(idp: tuple[Idp, str], tmp_path: Path) -> None:
    answers = fifty_at_once(idp, tmp_path, GATEHOUSE_REFRESH_REUSE_WINDOW="0")
    assert sorted(answers.values()) == [1, PROCESSES * THREADS - 1]
    assert answers["400 invalid_grant"] == PROCESSES * THREADS - 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("create", [False, True])
def test_of_many_first_redemptions_at_once_each_finds_the_same_person(
    company: Company, monkeypatch: pytest.MonkeyPatch, create: bool
) -> None:
    TrustedIssuer.objects.update(create=create, match=["sub"] if create else ["email"])
    trust = trusted_issuers.cached()[organisation.IDP]
    together = Barrier(8)
    look = subject_resolution.candidates_for

    def candidates(*asked: object) -> object:
        # All of them have found no link when the first one looks for the person.
        together.wait(30)
        return look(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(subject_resolution, "candidates_for", candidates)
    claims = {"sub": "bob-at-idp", "email": "bob@example.com", "email_verified": True}
    found = at_once([lambda: subject_effects.resolve(trust, claims).user.pk] * 8)
    assert len(set(found)) == 1
    assert SubjectLink.objects.get().user_id == found[0]
