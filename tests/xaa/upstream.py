"""The issuer of a company whose client we are, as a test plays it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import Client as Browser

from authz.configuration import apply
from authz.models import AuditEvent
from authz.outbound import Cause, OutboundError, Response, Role, remote_documents
from authz.protocol import jwks
from tests.xaa.company import IDP, IDP_JWKS, Company
from xaa.sign_in import exchange
from xaa.sign_in.adapter import provider_id
from xaa.trusted_issuers import discovery

# Before the company's fixture puts its own in their place.


SECRET = "the-idp-gave-us-this-0123456789"
LOGIN = f"/accounts/oidc/{provider_id(IDP)}/login/"
METADATA = {
    "issuer": IDP,
    "authorization_endpoint": f"{IDP}/authorize",
    "token_endpoint": f"{IDP}/token",
    "userinfo_endpoint": f"{IDP}/userinfo",
    "jwks_uri": IDP_JWKS,
    "authorization_response_iss_parameter_supported": True,
}


def configuration(**changes: Any) -> str:
    return json.dumps(
        {
            "trusted_issuers": [
                {
                    "issuer": IDP,
                    "name": "Corporate IdP",
                    "jwks_uri": IDP_JWKS,
                    "accepts": ["id_token"],
                    "subjects": {"match": ["sub", "email"]},
                    "sign_in": {"client_id": "gatehouse-at-idp"},
                    "sign_in_secret": SECRET,
                    **changes,
                }
            ]
        }
    )


class Upstream:
    """The issuer's side: what it answers, and what it was asked."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.browser = Browser()
        self.asked: list[tuple[str, Mapping[str, str], dict[str, str]]] = []
        self.metadata: dict[str, Any] = dict(METADATA)
        self.claims: dict[str, Any] = {}
        self.signer = company.idp
        self.fails: Cause | None = None
        self.down: dict[str, OutboundError] = {}

    def fetch(
        self, role: Role, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Response:
        form = {name: values[0] for name, values in parse_qs((body or b"").decode()).items()}
        self.asked.append((url, headers or {}, form))
        for step, error in self.down.items():
            if step in url:
                raise error
        if "/.well-known/" in url:
            return self._json(self.metadata)
        if self.fails is not None:
            raise OutboundError(self.fails)
        if url == IDP_JWKS:
            key = jwks.public_jwk(self.signer.key.public_key(), kid=self.signer.kid, alg=self.signer.alg)
            return self._json({"keys": [key]})
        if url.endswith("/userinfo"):
            return self._json({"sub": "bob-at-idp", "email": "bob@example.com", "email_verified": True})
        said = {"aud": "gatehouse-at-idp", "nonce": self.nonce, "acr": "mfa", "amr": ["otp"]} | self.claims
        return self._json({"access_token": "an access token", "id_token": self.signer.id_token(**said)})

    def _json(self, data: Mapping[str, Any]) -> Response:
        return Response(status=200, headers={}, body=json.dumps(data).encode(), address="192.0.2.1", elapsed=0.0)

    def start(self, query: str = "", browser: Browser | None = None) -> dict[str, str]:
        """Press the button; the parameters with which the person is sent to the issuer."""
        answer: Any = (browser or self.browser).post(LOGIN + query)
        assert answer.status_code == 302, answer.content
        assert answer["Location"].startswith(f"{IDP}/authorize?")
        sent = {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}
        self.nonce = sent["nonce"]
        return sent

    def come_back(self, state: str, **params: str) -> HttpResponse:
        answer: Any = self.browser.get(f"{LOGIN}callback/", {"code": "a-code", "iss": IDP, "state": state, **params})
        return answer  # type: ignore[no-any-return]

    def sign_in(self, query: str = "") -> HttpResponse:
        return self.come_back(self.start(query)["state"])

    @property
    def is_signed_in(self) -> bool:
        return SESSION_KEY in self.browser.session


@pytest.fixture
def upstream(company: Company, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    apply(configuration())
    made = Upstream(company)
    monkeypatch.setattr(exchange, "fetch", made.fetch)
    monkeypatch.setattr(remote_documents, "fetch", made.fetch)
    discovery.forget(IDP)
    yield made
    discovery.forget(IDP)


def refusal() -> str:
    return AuditEvent.objects.filter(event="person:session:refused").latest("id").reason
