"""Identity providers, each played as its documentation says: addresses, what it wants of a client, and its claims.

Sources, read in November 2026. Okta: developer.okta.com, “OpenID Connect & OAuth 2.0” of the org authorization server,
“Customize tokens with a groups claim”, and the guides to Cross App Access. Entra ID: learn.microsoft.com, “ID token
claims reference” and “UserInfo endpoint” (no word about verification, groups as object ids). Google:
developers.google.com, “OpenID Connect”, and its metadata. Keycloak: the server administration guide, OIDC.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

import jwt

from tests.interop.configuration import KeyPair, key_pair
from tests.interop.document_host import Answer, Asked

TENANT = "8c4f1d0e-5b7a-4c1d-9a51-0e6d0f2b7c11"
ENGINEERS = "0b1f4a52-7c3e-4d0a-8f6b-2f9f6f3f1c77"  # the object id of a group in Entra ID
CAROL, DAVE, ERIN, FRANK = (f"{name}@acme.example" for name in ("carol", "dave", "erin", "frank"))
PASSWORD = "the-same-for-all-there"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
# The app that people sign in to, its AI agent in Okta, and what the agent is called at our server.
OKTA_APP, OKTA_AGENT, OKTA_AGENT_THERE = "0oa9deskassistant3d7", "wlpa0eiuaoCNrpoaE0g7", "desk-assistant"
ENTRA_APP = "7d1c5a40-2e0b-4f39-9a88-3f1f6b6f2d10"
_PAGE = (
    '<form method="post"><input name="username"><input type="password" name="password"><button>Sign in</button></form>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`origin` is on the page, `at` here. Paths are below it; an address of another host has one of its own in `at`.

    id_token, said_there  what it says of the person, beside what every ID token has.
    scopes              what a request has to name for the claims that the page relies on.
    """

    person: str  # the address by which they sign in there
    origin: str
    at: str
    issuer: str
    authorize: str
    token: str
    userinfo: str
    keys: str
    client_id: str
    secret: str
    methods: tuple[str, ...]
    id_token: Mapping[str, Any]
    said_there: Mapping[str, Any]
    names_itself: bool = False  # `iss` in the redirect (RFC 9207)
    scopes: frozenset[str] = frozenset({"openid", "email", "profile"})


OKTA = Product(
    person=CAROL,
    origin="https://acme.okta.com",
    at="/okta",
    issuer="",
    authorize="/oauth2/v1/authorize",
    token="/oauth2/v1/token",
    userinfo="/oauth2/v1/userinfo",
    keys="/oauth2/v1/keys",
    client_id="0oa1gatehouse2b3c4d7",
    secret="only-for-this-page-okta-0123456789",
    methods=("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"),
    id_token={
        "sub": "00u1a2b3c4D5E6F7G8H9",
        "ver": 1,
        "name": "Carol",
        "email": CAROL,
        "preferred_username": CAROL,
        "idp": "00o1n2o3p4q5r6s7t8u9",
        "amr": ["pwd"],
        "groups": ["engineering"],
    },
    said_there={"sub": "00u1a2b3c4D5E6F7G8H9", "email": CAROL, "email_verified": True},
    scopes=frozenset({"openid", "email", "profile", "groups"}),
)
ENTRA = Product(
    person=DAVE,
    origin="https://login.microsoftonline.com",
    at="/entra",
    issuer=f"/{TENANT}/v2.0",
    authorize=f"/{TENANT}/oauth2/v2.0/authorize",
    token=f"/{TENANT}/oauth2/v2.0/token",
    userinfo="/oidc/userinfo",
    keys=f"/{TENANT}/discovery/v2.0/keys",
    client_id="535fb089-9ff3-47b6-9bfb-4f1264799865",
    secret="only-for-this-page-entra-0123456789",
    methods=("client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"),
    id_token={
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "tid": TENANT,
        "name": "Dave",
        "preferred_username": DAVE,
        "email": DAVE,
        "groups": [ENGINEERS],
        "rh": "0.ARoAv4j5cvGGr0GRqy180BHbR4Lkzd",
        "uti": "bn3ZtpbEmkC6ELIWFyx6AA",
        "ver": "2.0",
    },
    said_there={"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "name": "Dave", "email": DAVE},
)
GOOGLE = Product(
    person=ERIN,
    origin="https://accounts.google.com",
    at="/google",
    issuer="",
    authorize="/o/oauth2/v2/auth",
    token="/token",
    userinfo="/v1/userinfo",
    keys="/oauth2/v3/certs",
    client_id="1234567890-a1b2c3d4e5f6.apps.googleusercontent.com",
    secret="only-for-this-page-google-0123456789",
    methods=("client_secret_post", "client_secret_basic"),
    id_token={
        "sub": "10769150350006150715113082367",
        "azp": "1234567890-a1b2c3d4e5f6.apps.googleusercontent.com",
        "hd": "acme.example",
        "email": ERIN,
        "email_verified": True,
        "name": "Erin",
    },
    said_there={"sub": "10769150350006150715113082367", "email": ERIN, "email_verified": True, "hd": "acme.example"},
)
KEYCLOAK = Product(
    person=FRANK,
    origin="https://sso.acme.example",
    at="/keycloak",
    issuer="/realms/acme",
    authorize="/realms/acme/protocol/openid-connect/auth",
    token="/realms/acme/protocol/openid-connect/token",
    userinfo="/realms/acme/protocol/openid-connect/userinfo",
    keys="/realms/acme/protocol/openid-connect/certs",
    client_id="gatehouse",
    secret="only-for-this-page-keycloak-0123456789",
    methods=("private_key_jwt", "client_secret_basic", "client_secret_post", "tls_client_auth", "client_secret_jwt"),
    id_token={
        "sub": "f:a1b2c3:frank",
        "typ": "ID",
        "azp": "gatehouse",
        "sid": "2f6a1c0e-51d5-4a3c-a3f2-7d9f8f0f6a11",
        "acr": "1",
        "email": FRANK,
        "email_verified": True,
        "preferred_username": "frank",
        "groups": ["engineering"],
    },
    said_there={"sub": "f:a1b2c3:frank", "email": FRANK, "email_verified": True, "groups": ["engineering"]},
    names_itself=True,
)
PRODUCTS = {product.origin: product for product in (OKTA, ENTRA, GOOGLE, KEYCLOAK)}


@dataclass(slots=True)
class IdentityProviders:
    """All of them, below the address `here`. `redirect_uris` are those registered, by origin."""

    here: str
    redirect_uris: dict[str, str] = field(default_factory=dict)
    _key: KeyPair = field(default_factory=lambda: key_pair("RS256"))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)

    @property
    def real(self) -> dict[str, str]:
        return {product.origin: self.here + product.at for product in PRODUCTS.values()}

    def issuer(self, product: Product) -> str:
        return self.here + product.at + product.issuer

    def answer(self, asked: Asked) -> Answer | None:
        for product in PRODUCTS.values():
            if asked.path.startswith(f"{product.at}/"):
                return self._answer(product, asked.path.removeprefix(product.at), asked)
        return None

    def id_token(self, product: Product, audience: str, **more: Any) -> str:
        """An ID token of its person's."""
        now = int(time.time())
        said = {"iss": self.issuer(product), "aud": audience, "iat": now, "exp": now + 3600}
        return self.sign({**said, **product.id_token, **more})

    def sign(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        kid = self._key.jwks["keys"][0]["kid"]
        return jwt.encode(dict(claims), self._key.private_pem, algorithm="RS256", headers={"kid": kid, "typ": typ})

    def _answer(self, product: Product, path: str, asked: Asked) -> Answer:
        does: dict[str, Callable[[Product, Asked], Answer]] = {
            product.issuer + "/.well-known/openid-configuration": self._metadata,
            product.keys: lambda *_: Answer(200, self._key.jwks),
            product.authorize: self._authorize,
            product.token: self._token,
            product.userinfo: self._userinfo,
        }
        return does[path](product, asked) if path in does else Answer(404)

    def _metadata(self, product: Product, _: Asked) -> Answer:
        below = self.here + product.at
        said = {
            "issuer": self.issuer(product),
            "authorization_endpoint": below + product.authorize,
            "token_endpoint": below + product.token,
            "userinfo_endpoint": below + product.userinfo,
            "jwks_uri": below + product.keys,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": list(product.methods),
            "scopes_supported": sorted(product.scopes),
            "code_challenge_methods_supported": ["S256"],
        }
        return Answer(
            200, said | ({"authorization_response_iss_parameter_supported": True} if product.names_itself else {})
        )

    def _authorize(self, product: Product, asked: Asked) -> Answer:
        query = asked.query
        wanted = {
            "client_id": product.client_id,
            "redirect_uri": self.redirect_uris.get(product.origin, "nothing is registered"),
            "response_type": "code",
            "code_challenge_method": "S256",
        }
        wrong = [f"{name} is {query.get(name)}" for name, value in wanted.items() if query.get(name) != value]
        missing = product.scopes - set(query.get("scope", "").split())
        if wrong or missing or not query.get("state") or not query.get("nonce"):
            return Answer(400, f"{'; '.join(wrong)} {sorted(missing)} {sorted(query)}")
        if asked.method == "GET":
            return Answer(200, _PAGE)
        if (asked.form.get("username"), asked.form.get("password")) != (product.person, PASSWORD):
            return Answer(200, "wrong password")
        code = secrets.token_urlsafe(16)
        self._codes[code] = dict(query)
        says = {"code": code, "state": query["state"]} | ({"iss": self.issuer(product)} if product.names_itself else {})
        return Answer(302, headers={"Location": f"{query['redirect_uri']}?{urlencode(says)}"})

    def _token(self, product: Product, asked: Asked) -> Answer:
        form = asked.form
        if product is OKTA and form.get("grant_type") == TOKEN_EXCHANGE:
            return self._id_jag(form)
        if _client(asked) != (product.client_id, product.secret):
            return Answer(401, {"error": "invalid_client"})
        request = self._codes.pop(form.get("code", ""), None)
        if form.get("grant_type") != "authorization_code" or request is None:
            return Answer(400, {"error": "invalid_grant"})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        is_its_own = base64.urlsafe_b64encode(digest).decode().rstrip("=") == request["code_challenge"]
        if not is_its_own or form.get("redirect_uri") != request["redirect_uri"]:
            return Answer(400, {"error": "invalid_grant"})
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        id_token = self.id_token(product, product.client_id, nonce=request["nonce"])
        told = {"token_type": "Bearer", "expires_in": 3600, "access_token": token, "scope": request["scope"]}
        return Answer(200, told | {"id_token": id_token})

    def _id_jag(self, form: Mapping[str, str]) -> Answer:
        """Cross App Access: for an agent that signs, of a person who signed in to its app."""
        given = jwt.decode(form.get("subject_token", ""), options={"verify_signature": False})
        wanted = {
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        signed = jwt.decode(form.get("client_assertion", ""), options={"verify_signature": False})
        is_right = all(form.get(name) == value for name, value in wanted.items()) and given["aud"] == OKTA_APP
        below = self.here + OKTA.at
        if not is_right or (signed["iss"], signed["sub"], signed["aud"]) != (
            OKTA_AGENT,
            OKTA_AGENT,
            below + OKTA.token,
        ):
            return Answer(400, {"error": "invalid_request", "error_description": str(sorted(form))})
        now = int(time.time())
        said = {
            "iss": self.issuer(OKTA),
            "aud": form["audience"],
            "sub": OKTA.id_token["sub"],
            "email": OKTA.person,
            "client_id": OKTA_AGENT_THERE,
            "act": {"sub": OKTA_AGENT, "sub_profile": "ai_agent"},
            "scope": form["scope"],
            "jti": f"IDAAG.{secrets.token_hex(16)}",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
        } | ({"resource": form["resource"]} if "resource" in form else {})
        told = {"issued_token_type": wanted["requested_token_type"], "token_type": "N_A", "expires_in": 300}
        return Answer(200, told | {"access_token": self.sign(said, typ="oauth-id-jag+jwt"), "scope": form["scope"]})

    def _userinfo(self, product: Product, asked: Asked) -> Answer:
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            return Answer(401, {"error": "invalid_token"})
        return Answer(200, dict(product.said_there))


def _client(asked: Asked) -> tuple[str, str]:
    """Client id and secret of a token request, from the header or the form."""
    scheme, _, value = asked.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        name, _, secret = base64.b64decode(value).decode().partition(":")
        return unquote(name), unquote(secret)
    return asked.form.get("client_id", ""), asked.form.get("client_secret", "")
