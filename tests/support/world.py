"""One small organisation, made by `apply`, which most tests use."""

import base64
import json
import re
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from django.http import HttpResponse
from django.test import Client as Browser

from authz.conf import conf
from authz.configuration import apply
from authz.models import Client, User
from authz.protocol import jwks

NOTES = "http://127.0.0.1:9200/mcp"
PAYROLL = "https://payroll.example.com/mcp"
REDIRECT = "https://app.example.com/callback"
LOOPBACK_REDIRECT = "http://127.0.0.1/callback"
SECRET = "nightly-report-secret-0123456789-0123456789"
SERVER_SECRET = "notes-server-secret-0123456789-0123456789"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@cache
def agent_key() -> ec.EllipticCurvePrivateKey:
    """The key of the `signing-agent`."""
    return ec.generate_private_key(ec.SECP256R1())


def configuration() -> str:
    jwk = jwks.public_jwk(agent_key().public_key(), alg="ES256")
    del jwk["kid"]
    return f"""
users:
  - {{username: alice, password: alice-password, email: alice@example.com, groups: [engineering], role: administrator}}
  - {{username: bob, password: bob-password, email: bob@example.com, groups: [engineering]}}
  - {{username: charlie, password: charlie-password, email: charlie@example.com, groups: [visitors]}}
clients:
  - client_id: nightly-report
    client_name: Nightly report
    status: approved
    owner: alice
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
  - client_id: posting-agent
    status: approved
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_post
    client_secret: {SECRET}
  - client_id: signing-agent
    status: approved
    grant_types: [client_credentials]
    token_endpoint_auth_method: private_key_jwt
    jwks: {json.dumps({"keys": [jwk]})}
  - client_id: pending-agent
    grant_types: [client_credentials]
    client_secret: {SECRET}
  - client_id: desktop-app
    client_name: Desktop app
    status: approved
    grant_types: [authorization_code, refresh_token]
    token_endpoint_auth_method: none
    redirect_uris: ["{REDIRECT}", "{LOOPBACK_REDIRECT}"]
  - client_id: web-app
    client_name: Web app
    status: approved
    grant_types: [authorization_code, refresh_token]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
    redirect_uris: ["{REDIRECT}"]
  - client_id: notes-server
    status: approved
    grant_types: [client_credentials]
    client_secret: {SERVER_SECRET}
  - client_id: payroll-server
    status: approved
    grant_types: [client_credentials]
    client_secret: {SERVER_SECRET}
resources:
  - identifier: {NOTES}
    name: Notes
    default: true
    introspection_clients: [notes-server]
    scopes:
      - {{name: "mcp:read", description: Read notes}}
      - {{name: "mcp:write", description: Change notes, sensitivity: high}}
  - identifier: {PAYROLL}
    name: Payroll
    access_token_signing_alg: ES256
    access_token_lifetime: 120
    introspection_clients: [payroll-server]
    scopes:
      - {{name: "payroll:read", description: Read the payroll, sensitivity: high}}
rules:
  - name: Agents read notes
    effect: allow
    clients: [nightly-report, posting-agent, signing-agent]
    grant_types: [client_credentials]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
    max_lifetime: 300
  - name: Engineers use agents on Notes
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: [authorization_code]
    resources: ["{NOTES}"]
    scopes: ["mcp:read", "mcp:write"]
"""


@dataclass(slots=True)
class World:
    """The organisation, and the ways to talk to its server."""

    browser: Browser = field(default_factory=lambda: Browser(enforce_csrf_checks=False))

    def post(self, endpoint: str, data: dict[str, Any] | str = "", **headers: str) -> HttpResponse:
        body = data if isinstance(data, str) else urlencode(data, doseq=True)
        path = urlsplit(conf.endpoint(endpoint)).path
        response: Any = self.browser.post(
            path, body, content_type="application/x-www-form-urlencoded", headers=dict(headers)
        )
        return response  # type: ignore[no-any-return]

    def token(self, *, basic: tuple[str, str] | None = None, **params: Any) -> HttpResponse:
        headers = {"authorization": basic_header(*basic)} if basic else {}
        return self.post("token", params, **headers)

    def machine_token(self, **params: Any) -> dict[str, Any]:
        response = self.token(basic=("nightly-report", SECRET), grant_type="client_credentials", **params)
        assert response.status_code == 200, response.content
        return json.loads(response.content)

    def introspect(self, token: str, basic: tuple[str, str] = ("notes-server", SERVER_SECRET)) -> dict[str, Any]:
        response = self.post("introspect", {"token": token}, authorization=basic_header(*basic))
        assert response.status_code == 200, response.content
        return json.loads(response.content)

    def sign_in(self, username: str) -> None:
        response = self.browser.post(
            "/accounts/login/", {"login": username, "password": f"{username}-password"}, follow=False
        )
        assert response.status_code == 302, response.content

    def authorize_url(self, **changes: Any) -> str:
        params = {
            "response_type": "code",
            "client_id": "desktop-app",
            "redirect_uri": REDIRECT,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "scope": "mcp:read",
            "state": "xyz",
            "resource": NOTES,
        }
        params |= changes
        given = {name: value for name, value in params.items() if value is not None}
        return f"{urlsplit(conf.endpoint('authorize')).path}?{urlencode(given, doseq=True)}"

    def authorize(self, *, username: str = "bob", allow: bool = True, **changes: Any) -> dict[str, str]:
        """Sign in, consent, and read the answer at the redirect URI."""
        self.sign_in(username)
        url = self.authorize_url(**changes)
        response = self.browser.get(url)
        if response.status_code == 200:
            response = self.press(url, response, **({"allow": "true"} if allow else {"deny": "true"}))
        if response.status_code == 403 and b'name="deny"' in response.content:
            # Not allowed: back to the application, without asking for it.
            response = self.press(url, response, deny="true")
        assert response.status_code == 302, (response.status_code, response.content)
        return redirect_parameters(response)

    def press(self, url: str, page: Any = None, **filled: Any) -> Any:
        """Post the form of a page with all of its hidden fields, as a browser does; `page`: as it was got before."""
        if page is None:
            page = self.browser.get(url)
        return self.browser.post(url, hidden_fields(page) | filled)

    def ask(self, **changes: Any) -> Any:
        """The page of a person whose request waits, after they pressed “Ask for access” (unless they had before)."""
        url = self.authorize_url(**changes)
        page = self.browser.get(url)
        assert page.status_code == 403, (page.status_code, page.content)
        if b'name="ask"' not in page.content:
            return page
        assert self.press(url, page, ask="true").status_code == 302
        return self.browser.get(url)

    def redeem(self, code: str, **changes: Any) -> HttpResponse:
        params = {
            "grant_type": "authorization_code",
            "client_id": "desktop-app",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        params |= changes
        return self.token(**{name: value for name, value in params.items() if value is not None})

    def signed_in_tokens(self, **changes: Any) -> dict[str, Any]:
        """The token response of a whole code flow."""
        response = self.redeem(self.authorize(**changes)["code"])
        assert response.status_code == 200, response.content
        return json.loads(response.content)

    def refresh(self, refresh_token: str, **changes: Any) -> HttpResponse:
        params = {"grant_type": "refresh_token", "client_id": "desktop-app", "refresh_token": refresh_token}
        return self.token(**(params | changes))


def build() -> World:
    apply(configuration())
    return World()


def basic_header(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def redirect_parameters(response: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}


def hidden_fields(page: Any) -> dict[str, Any]:
    """The hidden fields of a page's forms, and the scopes that are ticked on it."""
    content = page.content.decode()
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', content)
    ticked = re.findall(r'<input type="checkbox" name="scope" value="([^"]*)" checked', content)
    fields: dict[str, Any] = {name: unescape(value) for name, value in found}
    return fields | ({"scope": [unescape(value) for value in ticked]} if ticked else {})


def without_reference(response: Any) -> bytes:
    """The body without the request's own id, by which alone two refusals may differ."""
    content: bytes = response.content
    return content.replace(response["X-Request-Id"].encode(), b"")


def submit(browser: Any, address: str, data: dict[str, Any] | None = None, *, follow: bool = False) -> Any:
    """Open a page and post its form with all hidden fields, as a browser does."""
    return browser.post(address, hidden_fields(browser.get(address)) | (data or {}), follow=follow)


def claims(token: str) -> dict[str, Any]:
    """A token's claims, unverified."""
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return decoded


def client(client_id: str) -> Client:
    return Client.objects.get(client_id=client_id)


def person(username: str) -> User:
    return User.objects.get(username=username)
