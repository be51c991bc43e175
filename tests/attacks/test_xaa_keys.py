"""Attack 25: an issuer's keys, from a host that is hostile, careless or down; over real HTTP on loopback."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.test import override_settings
from django.urls import reverse

from authz.models import User
from authz.outbound import errands, remote_keys
from authz.protocol import jwks
from tests.support.world import World
from tests.xaa import company as organisation
from tests.xaa.company import Company, Idp, refused
from tests.xaa.test_admin import browser_of
from tests.xaa.test_explain import explained
from xaa import trusted_issuers
from xaa.doctor import issuers
from xaa.models import IssuerHealth, TrustedIssuer
from xaa.trusted_issuers import discovery

pytestmark = pytest.mark.any_database

REFUSED = (400, "invalid_grant")
NO_KEYS = (503, "temporarily_unavailable")  # the issuer's fault, and not of who presents an assertion


class Host:
    """An issuer's host: answers paths with what the test puts there, and counts who asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[str] = []
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                status, content = host.answers.get(self.path, (404, {}))
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def publishes(self, *jwks: dict[str, Any]) -> None:
        self.answers["/jwks"] = 200, {"keys": list(jwks)}


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def company(gatehouse: World, host: Host) -> Iterator[Company]:
    """The company, whose IdP is the host. Nothing is remembered of earlier hosts."""
    made = organisation.build()
    made.idp = Idp(host.origin)
    TrustedIssuer.objects.update(issuer=host.origin, jwks_uri=f"{host.origin}/jwks")
    host.publishes(public(made.idp))
    with remembering_nothing(), allowed(host):
        yield made


@contextmanager
def allowed(host: Host) -> Iterator[None]:
    with override_settings(GATEHOUSE={**settings.GATEHOUSE, "OUTBOUND_ALLOWED_HOSTS": [("127.0.0.1", host.port)]}):
        yield


@contextmanager
def remembering_nothing() -> Iterator[None]:
    for memory in (*remote_keys._CACHES.values(), discovery._CACHE):
        memory.entries.clear()
    for noted in (trusted_issuers._noted, trusted_issuers._looked):
        noted.clear()
    yield


def public(idp: Idp, **changes: Any) -> dict[str, Any]:
    return jwks.public_jwk(idp.key.public_key(), kid=idp.kid, alg="ES256") | changes


def test_keys_are_fetched_once_for_many_redemptions(company: Company, host: Host) -> None:
    for _ in range(5):
        assert company.redeem_assertion(company.idp.id_jag()).status_code == 200
    assert host.asked == ["/jwks"]
    health = IssuerHealth.objects.get()
    assert health.keys == 1
    assert health.fetched is not None
    assert health.next_fetch is not None
    assert health.failures == 0


def test_a_rotated_key_is_found_at_once_with_one_more_fetch(company: Company, host: Host) -> None:
    assert company.redeem_assertion(company.idp.id_jag()).status_code == 200
    for number, kid in enumerate(("key-2", "key-3"), 2):
        company.idp.rotate(kid)
        host.publishes(public(company.idp))
        assert company.redeem_assertion(company.idp.id_jag()).status_code == 200
        assert len(host.asked) == number


def test_a_flood_of_unknown_kids_is_not_a_flood_of_fetches(company: Company, host: Host) -> None:
    for n in range(20):
        company.idp.kid = f"unknown-{n}"
        assert refused(company.redeem_assertion(company.idp.id_jag())) == REFUSED
    assert len(host.asked) == 1


def test_an_issuer_that_is_not_trusted_is_never_asked(company: Company, host: Host) -> None:
    for claims in ({"iss": "http://127.0.0.1:1"}, {"iss": f"{host.origin}/"}, {"iss": None}):
        assert refused(company.redeem_assertion(company.idp.id_jag(**claims))) == REFUSED
    TrustedIssuer.objects.update(enabled=False)
    assert refused(company.redeem_assertion(company.idp.id_jag())) == REFUSED
    assert host.asked == []


def test_a_public_client_cannot_make_us_fetch(company: Company, host: Host) -> None:
    answer = company.redeem_assertion(company.idp.id_jag(), None, client_id="public-agent")
    assert refused(answer) == (400, "unauthorized_client")
    assert host.asked == []


OTHER = ec.generate_private_key(ec.SECP256R1())
SYMMETRIC = {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}


NO_KEYS_AT = {
    "an error": (500, {}),
    "overload": (429, {}),
    "nothing": (404, {}),
    "gone": (410, {}),
    "a redirect": (302, {}),
    "no JSON": (200, b"not json"),
    "a list": (200, []),
    "no keys member": (200, {}),
    "no keys": (200, {"keys": []}),
    "no usable keys": (200, {"keys": [None, {"kty": "XYZ"}]}),
    "a symmetric key": (200, {"keys": [SYMMETRIC]}),
    "a symmetric key under the name of the real one": (
        200,
        {"keys": [{"kty": "oct", "kid": "key-1", "k": "c2VjcmV0"}]},
    ),
    "keys twice": (200, b'{"keys": [], "keys": []}'),
    "oversize": (200, b'{"keys": ["' + b"x" * 300_000 + b'"]}'),
}


def through(company: Company, door: str) -> Any:
    """An assertion of the issuer at one of the doors."""
    if door == "workload":
        return company.redeem_assertion(company.idp.workload(), basic=None)
    if door == "exchange":
        return company.exchange(company.idp.id_token())
    return company.redeem_assertion(company.idp.id_jag())


@pytest.mark.parametrize("door", ["id-jag", "workload", "exchange"])
@pytest.mark.parametrize("answer", NO_KEYS_AT.values(), ids=NO_KEYS_AT)
def test_whatever_keeps_the_keys_from_us_is_a_matter_of_coming_again(
    company: Company, host: Host, answer: tuple[int, Any], door: str
) -> None:
    host.answers["/jwks"] = answer
    response = through(company, door)
    assert refused(response) == NO_KEYS
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("door", ["id-jag", "workload", "exchange"])
@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/jwks",  # nothing listens
        "https://127.0.0.1:{port}/jwks",  # no TLS
        "http://keys.invalid/jwks",
        "https://keys.invalid/jwks",  # no such name
        "http://169.254.169.254/jwks",
        "https://10.0.0.1/jwks",
        "file:///etc/passwd",
        "not a URL",
    ],
)
def test_wherever_the_keys_cannot_be_had_it_is_the_same(company: Company, host: Host, address: str, door: str) -> None:
    TrustedIssuer.objects.update(jwks_uri=address.format(port=host.port))
    response = through(company, door)
    assert refused(response) == NO_KEYS
    assert int(response["Retry-After"]) > 0


def test_another_key_under_the_name_of_the_real_one_is_a_refusal(company: Company, host: Host) -> None:
    host.publishes(jwks.public_jwk(OTHER.public_key(), kid="key-1", alg="ES256"))
    assert refused(company.redeem_assertion(company.idp.id_jag())) == REFUSED


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (None, "key 2: it is not a JSON object"),
        ({"kty": "XYZ", "kid": "odd"}, "key 2 (odd): its key type or curve is not one"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k"}, "key 2 (k): its members do not make"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "small"}, "key 2 (small): "),
        ({"kty": "EC", "use": "enc", "kid": "enc"}, "key 2 (enc): it is for another use"),
        ({"kty": "EC", "use": "x509-svid", "crv": "P-256"}, "key 2: it is for another use"),
        ({"kty": "EC", "crv": 7}, "key 2: a member has the wrong JSON type"),
        ({"kty": "EC", "crv": "P-256", "alg": "HS256"}, "key 2: its algorithm is not one"),
        ({"kty": "OKP", "crv": "X25519", "x": "AA"}, "key 2: its key type or curve is not one"),
        ({"kid": "no-type"}, "key 2 (no-type): it is not a JSON object with a key type"),
    ],
)
def test_each_key_that_is_passed_over_is_named_to_operators(company: Company, host: Host, entry: Any, why: str) -> None:
    host.publishes(public(company.idp), entry)
    TrustedIssuer.objects.update(accepts=["id-jag", "id_token", "workload"])
    said = explained(company.idp.id_jag())
    assert "1 key; passed over key 2" in said
    assert why in said
    assert any(why in finding.says for finding in issuers())
    assert company.redeem_assertion(company.idp.id_jag()).status_code == 200
    assert why in "".join(IssuerHealth.objects.get().passed_over)
    issuer = TrustedIssuer.objects.get()
    alice = browser_of("alice", User.Role.ADMINISTRATOR)
    assert why in alice.get(reverse("admin:xaa_trustedissuer_change", args=[issuer.pk])).content.decode()


def test_a_private_key_inside_spoils_the_whole_set(company: Company, host: Host) -> None:
    host.publishes(public(company.idp), public(Idp(host.origin), kid="leaked", d="AAAA"))
    assert refused(company.redeem_assertion(company.idp.id_jag())) == NO_KEYS
    assert IssuerHealth.objects.get().failures == 1


def test_a_host_that_is_down_fails_closed_and_is_not_asked_again_at_once(company: Company, host: Host) -> None:
    host.answers["/jwks"] = 503, {}
    for _ in range(5):
        answer = company.redeem_assertion(company.idp.id_jag())
        assert refused(answer) == (503, "temporarily_unavailable")
        assert 1 <= int(answer["Retry-After"]) <= 10
    assert len(host.asked) == 1
    assert IssuerHealth.objects.get().failure == "status"


def test_one_issuers_key_does_not_sign_for_another(company: Company, host: Host) -> None:
    second = Idp("https://second.example")
    host.answers["/second-jwks"] = 200, {"keys": [public(second, kid="second")]}
    TrustedIssuer.objects.create(
        issuer=second.issuer,
        name="Second",
        jwks_uri=f"{host.origin}/second-jwks",
        accepts=["id-jag"],
        match=["email"],
    )
    company.idp.key, company.idp.kid = second.key, "second"
    assert refused(company.redeem_assertion(company.idp.id_jag())) == REFUSED
    second.kid = "second"
    assert company.redeem_assertion(second.id_jag()).status_code == 200


# --- Discovery ------------------------------------------------------------------------------------------------------


@pytest.fixture
def discovered(company: Company, host: Host) -> Company:
    TrustedIssuer.objects.update(jwks_uri="")
    host.answers["/.well-known/openid-configuration"] = (
        200,
        {"issuer": host.origin, "jwks_uri": f"{host.origin}/jwks"},
    )
    return company


def test_keys_are_discovered_from_the_issuer(discovered: Company, host: Host) -> None:
    for _ in range(3):
        assert discovered.redeem_assertion(discovered.idp.id_jag()).status_code == 200
    assert host.asked == ["/.well-known/openid-configuration", "/jwks"]


def test_the_other_metadata_document_will_do(discovered: Company, host: Host) -> None:
    host.answers["/.well-known/oauth-authorization-server"] = host.answers.pop("/.well-known/openid-configuration")
    assert discovered.redeem_assertion(discovered.idp.id_jag()).status_code == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example", "jwks_uri": "{origin}/jwks"},
        {"issuer": "{origin}/", "jwks_uri": "{origin}/jwks"},
        {"jwks_uri": "{origin}/jwks"},
        {"issuer": "{origin}"},
        {"issuer": "{origin}", "jwks_uri": ["{origin}/jwks"]},
        {"issuer": "{origin}", "jwks_uri": "http://127.0.0.1:1/jwks"},
        {"issuer": "{origin}", "jwks_uri": "http://169.254.169.254/latest"},
        {"issuer": "{origin}", "jwks_uri": "file:///etc/passwd"},
    ],
)
def test_metadata_that_is_not_the_issuers_own_is_not_believed(
    discovered: Company, host: Host, metadata: dict[str, Any]
) -> None:
    written = json.loads(json.dumps(metadata).replace("{origin}", host.origin))
    host.answers["/.well-known/openid-configuration"] = 200, written
    assert refused(discovered.redeem_assertion(discovered.idp.id_jag())) == NO_KEYS
    assert "/jwks" not in host.asked


def test_an_issuer_that_is_down_is_not_asked_again_at_once(discovered: Company, host: Host) -> None:
    host.answers["/.well-known/openid-configuration"] = 503, {}
    for _ in range(5):
        answer = discovered.redeem_assertion(discovered.idp.id_jag())
        assert refused(answer) == (503, "temporarily_unavailable")
        assert int(answer["Retry-After"]) >= 1
    assert len(host.asked) == 2


def test_a_known_address_serves_while_the_host_is_down(discovered: Company, host: Host) -> None:
    assert discovered.redeem_assertion(discovered.idp.id_jag()).status_code == 200
    entry = discovery._CACHE.entries[host.origin]
    held, entry.fresh_until = entry.answer, 0.0
    with override_settings(GATEHOUSE={**settings.GATEHOUSE, "OUTBOUND_ALLOWED_HOSTS": []}):
        # Not reachable is another thing than not allowed any more: that is an answer, and ends it.
        assert refused(discovered.redeem_assertion(discovered.idp.id_jag())) == NO_KEYS
    entry.answer, entry.retry_at = held, 0.0
    host.server.shutdown()
    host.server.server_close()
    assert discovered.redeem_assertion(discovered.idp.id_jag()).status_code == 200


def _no_place(*_: object, **__: object) -> None:
    raise errands.BusyError


def test_a_request_that_may_not_wait_for_the_keys_is_asked_to_come_again(
    company: Company, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assertion = company.idp.id_jag()
    with monkeypatch.context() as busy:
        busy.setattr(errands, "result", _no_place)
        answer = company.redeem_assertion(assertion)
    assert refused(answer) == (503, "temporarily_unavailable")
    assert answer["Retry-After"] == "1"
    assert company.redeem_assertion(assertion).status_code == 200
