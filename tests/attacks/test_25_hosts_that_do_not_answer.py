"""Attack 25: a host of keys does not answer. That is 503 and not the client's fault; an invalid answer is."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.conf import conf
from authz.limits import rate_limits
from authz.models import AuditEvent, Client
from authz.outbound import Cause, OutboundError, Response, Role, remote_documents, remote_keys
from authz.protocol import jwks, jwts
from tests.support import world
from tests.support.world import World
from tests.xaa import company as organisation
from tests.xaa.company import IDP, Company
from xaa.models import TrustedIssuer
from xaa.trusted_issuers import discovery

pytestmark = pytest.mark.any_database

KEY = ec.generate_private_key(ec.SECP256R1())
JWKS = "https://agents.example/jwks"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

DOWN: dict[str, OutboundError] = {
    "hangs": OutboundError(Cause.TIMEOUT),
    "refuses": OutboundError(Cause.CONNECT),
    "has no address": OutboundError(Cause.DNS),
    "has a bad certificate": OutboundError(Cause.TLS),
    "speaks no HTTP": OutboundError(Cause.PROTOCOL),
    "500": OutboundError(Cause.STATUS, status=500),
    "503": OutboundError(Cause.STATUS, status=503),
    "429": OutboundError(Cause.STATUS, status=429),
}
ANSWERS: dict[str, OutboundError] = {
    "404": OutboundError(Cause.STATUS, status=404),
    "403": OutboundError(Cause.STATUS, status=403),
    "a redirect": OutboundError(Cause.REDIRECT, status=302),
    "a page": OutboundError(Cause.CONTENT_TYPE, status=200),
    "too much": OutboundError(Cause.TOO_LARGE),
    "a private address": OutboundError(Cause.ADDRESS_FORBIDDEN),
}


@pytest.fixture
def company(gatehouse: World) -> Company:
    built = organisation.build()
    Client.objects.filter(client_id="signing-agent").update(client_jwks=None, client_jwks_uri=JWKS)
    for uri in (JWKS, organisation.IDP_JWKS):
        remote_keys.forget(uri)
    discovery._CACHE.entries.clear()
    return built


def _by_private_key(company: Company) -> Any:
    now = int(time.time())
    claims = {"iss": "signing-agent", "sub": "signing-agent", "aud": conf.issuer, "iat": now, "exp": now + 60}
    signed = jwts.signer(KEY, kid="k", alg="ES256", typ="JWT").sign({**claims, "jti": uuid.uuid4().hex})
    return company.token(
        basic=None,
        grant_type="client_credentials",
        scope="mcp:read",
        resource=world.NOTES,
        client_assertion=signed,
        client_assertion_type=ASSERTION_TYPE,
    )


DOORS: dict[str, Callable[[Company], Any]] = {
    "private_key_jwt": _by_private_key,
    "ID-JAG": lambda company: company.redeem_assertion(company.idp.id_jag()),
    "workload": lambda company: company.redeem_assertion(company.idp.workload(), basic=None, client_id="wif-workload"),
    "unnamed workload": lambda company: company.redeem_assertion(company.idp.workload(), basic=None),
    "token exchange": lambda company: company.exchange(company.idp.id_token()),
}


def answering(monkeypatch: pytest.MonkeyPatch, answer: OutboundError | Callable[[str], bytes]) -> list[str]:
    asked: list[str] = []

    def fetch(_: Any, url: str, **__: Any) -> Response:
        asked.append(url)
        if isinstance(answer, OutboundError):
            raise OutboundError(answer.cause, status=answer.status)
        return Response(status=200, headers={}, body=answer(url), address="192.0.2.1", elapsed=0.0)

    monkeypatch.setattr(remote_documents, "fetch", fetch)
    return asked


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The failures that the rate limits count."""
    found: list[str] = []
    monkeypatch.setattr(rate_limits, "_count", lambda limit, _: found.append(limit))
    return found


@pytest.mark.parametrize("discovered", [False, True], ids=["named keys", "discovered keys"])
@pytest.mark.parametrize("error", DOWN.values(), ids=DOWN)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_host_that_does_not_answer_is_not_the_clients_fault(
    door: Callable[[Company], Any],
    error: OutboundError,
    *,
    discovered: bool,
    company: Company,
    counted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if discovered:
        TrustedIssuer.objects.filter(issuer=IDP).update(jwks_uri="")
    asked = answering(monkeypatch, error)
    for _ in range(3):
        answer = door(company)
        assert (answer.status_code, json.loads(answer.content)["error"]) == (503, "temporarily_unavailable")
        assert 1 <= int(answer["Retry-After"]) <= 10
        assert answer["Cache-Control"] == "no-store"
    assert len(set(asked)) == len(asked)  # no host is asked twice within some seconds
    assert counted == []
    assert AuditEvent.objects.latest("id").reason in {"client_keys_unreachable", "issuer_keys_unreachable"}


def _is_its_owners_fault(answer: Any, counted: list[str]) -> None:
    refusal = answer.status_code, json.loads(answer.content)["error"]
    if AuditEvent.objects.latest("id").reason == "issuer_keys_unavailable":
        # The issuer's fault is not that of who presents its assertion (decision 0053).
        assert refusal == (503, "temporarily_unavailable")
        assert int(answer["Retry-After"]) == 30
        assert counted == []
        return
    assert refusal == (401, "invalid_client")
    assert "refused:address" in counted


@pytest.mark.parametrize("error", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_an_answer_that_is_no_key_set_is_the_clients_fault(
    door: Callable[[Company], Any],
    error: OutboundError,
    company: Company,
    counted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, error)
    answer = door(company)
    _is_its_owners_fault(answer, counted)


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_keys_that_were_fetched_and_do_not_verify_are_the_clients_fault(
    door: Callable[[Company], Any], company: Company, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    published = json.dumps({"keys": [jwks.public_jwk(other, kid="other", alg="ES256")]}).encode()
    answering(monkeypatch, lambda _: published)
    answer = door(company)
    assert (answer.status_code, json.loads(answer.content)["error"]) in {
        (401, "invalid_client"),
        (400, "invalid_grant"),
    }
    assert "refused:address" in counted


def test_keys_serve_for_a_bounded_time_while_their_host_is_down(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = jwks.public_jwk(company.idp.key.public_key(), kid=company.idp.kid, alg="ES256")
    answering(monkeypatch, lambda _: json.dumps({"keys": [key]}).encode())
    workload = DOORS["workload"]
    assert workload(company).status_code == 200
    entry = remote_keys._CACHES[Role.ISSUER_KEYS].entries[organisation.IDP_JWKS]
    answering(monkeypatch, DOWN["hangs"])
    entry.fresh_until = time.monotonic() - 1
    assert workload(company).status_code == 200
    entry.serves_until = time.monotonic() - 1
    assert workload(company).status_code == 503
