"""Signing in by an issuer whose client we are: configured by `apply`, and what an issuer or a link may not do."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import Client as Browser

from authz.configuration import ConfigurationError, apply, export
from authz.limits import rate_limits
from authz.models import AuditEvent
from authz.outbound import Cause, OutboundError, Response, Role, remote_documents, remote_keys
from authz.protocol import jwks
from authz.sign_in import session as sign_in
from tests.support.world import PAYROLL, hidden_fields, person, redirect_parameters
from tests.xaa.company import AGENT, IDP, IDP_JWKS, Company
from xaa import discovery
from xaa.models import SignInClient, TrustedIssuer
from xaa.sign_in import provider, secret
from xaa.sign_in.adapter import provider_id

# Before the company's fixture puts its own in their place.
REAL_KEYS = remote_keys.keys
BACKEND = "authz.sign_in.password_backend.PasswordBackend"
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
    monkeypatch.setattr(provider, "fetch", made.fetch)
    monkeypatch.setattr(remote_documents, "fetch", made.fetch)
    discovery.forget(IDP)
    yield made
    discovery.forget(IDP)


def refusal() -> str:
    return AuditEvent.objects.filter(event="person:session:refused").latest("id").reason


class TestTheRound:
    def test_the_page_offers_it_and_the_person_is_signed_in(self, upstream: Upstream) -> None:
        page = upstream.browser.get("/accounts/login/").content
        # The organisation's provider comes first, before the password.
        assert 0 < page.index(b"Sign in with Corporate IdP") < page.index(b'name="password"')
        assert upstream.sign_in("?next=/account/requests/")["Location"] == "/account/requests/"
        assert upstream.browser.session[SESSION_KEY] == str(person("bob").pk)

    @pytest.mark.parametrize("state", ["short", "s" * 2048, "🔑" * 2048])
    def test_an_authorization_request_outlives_the_round(self, upstream: Upstream, state: str) -> None:
        url = upstream.company.authorize_url(state=state, max_age="0")
        asked = upstream.browser.get(url)["Location"]
        query = urlencode({"next": parse_qs(urlsplit(asked).query)["next"][0]})
        upstream.claims = {"auth_time": int(time.time())}
        back = upstream.sign_in(f"?{query}")["Location"]
        page = upstream.browser.get(back)
        given = redirect_parameters(upstream.browser.post(back, hidden_fields(page) | {"allow": "true"}))
        assert (given.get("state"), given.get("error")) == (state, None)

    def test_it_asks_with_pkce_nonce_and_our_own_address(self, upstream: Upstream) -> None:
        sent = upstream.start()
        assert sent["code_challenge_method"] == "S256"
        assert sent["redirect_uri"] == f"http://127.0.0.1:8000{LOGIN}callback/"
        assert set(sent["scope"].split()) == {"openid", "profile", "email"}
        upstream.come_back(sent["state"])
        asked = next(form for url, _, form in upstream.asked if url.endswith("/token"))
        challenge = hashlib.sha256(asked["code_verifier"].encode()).digest()
        assert sent["code_challenge"] == provider.b64encode(challenge, b"-_").decode().rstrip("=")

    @pytest.mark.parametrize(
        ("methods", "is_basic"), [(None, True), (["client_secret_post"], False), (["client_secret_basic"], True)]
    )
    def test_we_authenticate_as_the_issuer_wants_it(
        self, upstream: Upstream, methods: list[str] | None, is_basic: bool
    ) -> None:
        if methods:
            upstream.metadata["token_endpoint_auth_methods_supported"] = methods
        upstream.sign_in()
        _, headers, form = next(each for each in upstream.asked if each[0].endswith("/token"))
        assert ("Authorization" in headers, form.get("client_secret")) == (is_basic, None if is_basic else SECRET)

    def test_the_session_knows_when_and_how_the_person_signed_in_there(self, upstream: Upstream) -> None:
        an_hour_ago = int(time.time()) - 3600
        upstream.claims = {"auth_time": an_hour_ago}
        upstream.sign_in()
        request = upstream.browser.get("/account/").wsgi_request
        known = sign_in.current(request)
        assert (known.auth_time, known.acr, known.amr) == (an_hour_ago, "mfa", ("otp",))

    def test_a_fresh_sign_in_is_asked_for_and_checked(self, upstream: Upstream) -> None:
        upstream.sign_in()
        sent = upstream.start()
        assert (sent["prompt"], sent["max_age"]) == ("login", "60")
        upstream.claims = {"auth_time": int(time.time()) - 3600}
        assert upstream.come_back(sent["state"]).status_code == 401
        assert refusal() == "sign_in_not_fresh"
        upstream.claims = {"auth_time": int(time.time())}
        sent = upstream.start()
        session = upstream.browser.session
        session["what asked for it"] = "an agent"
        session.save()
        assert upstream.come_back(sent["state"]).status_code == 302
        assert upstream.browser.session["what asked for it"] == "an agent"

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": ["gatehouse-at-idp"]},
            {"aud": ["gatehouse-at-idp", "project"]},
            {"aud": ["app2", "gatehouse-at-idp", "project"], "azp": "gatehouse-at-idp"},
            {"aud": "gatehouse-at-idp", "azp": "gatehouse-at-idp"},
            {"aud": ["gatehouse-at-idp", "gatehouse-at-idp"]},
            {"aud": ["project", "gatehouse-at-idp"], "azp": "gatehouse-at-idp"},
            {"aud": ["gatehouse-at-idp", "https://idp.example/userinfo"], "azp": "gatehouse-at-idp"},
            {"aud": [*(f"app{number}" for number in range(9)), "gatehouse-at-idp"], "azp": "gatehouse-at-idp"},
            {"aud": "gatehouse-at-idp", "azp": None},
            {"aud": ["gatehouse-at-idp", "GATEHOUSE-AT-IDP"], "azp": "gatehouse-at-idp"},
        ],
    )
    def test_an_id_token_may_be_for_others_too(self, upstream: Upstream, claims: dict[str, Any]) -> None:
        upstream.claims = claims
        assert upstream.sign_in().status_code == 302
        assert upstream.is_signed_in


class TestAttacks:
    def test_a_link_chooses_neither_scopes_nor_parameters(self, upstream: Upstream) -> None:
        sent = upstream.start("?scope=admin,all&auth_params=redirect_uri%3Dhttps://evil.example%26nonce%3Dknown")
        assert set(sent["scope"].split()) == {"openid", "profile", "email"}
        assert sent["redirect_uri"].startswith("http://127.0.0.1:8000/")
        assert sent["nonce"] != "known"

    @pytest.mark.parametrize(
        ("claims", "reason"),
        [
            ({"nonce": "of another session"}, "sign_in_nonce"),
            ({"nonce": None}, "sign_in_nonce"),
            ({"aud": "another-client"}, "assertion_audience"),
            ({"aud": ["another", "project"]}, "assertion_audience"),
            ({"aud": ["gatehouse-at-idp", 7]}, "assertion_audience"),
            ({"aud": []}, "assertion_audience"),
            ({"aud": None}, "assertion_audience"),
            ({"aud": ["gatehouse-at-idp", ""]}, "assertion_audience"),
            ({"aud": ["gatehouse-at-idp", *("app" for _ in range(30))]}, "assertion_audience"),
            ({"aud": {"gatehouse-at-idp": True}}, "assertion_audience"),
            ({"aud": "gatehouse-at-idp project"}, "assertion_audience"),
            ({"aud": ["GATEHOUSE-AT-IDP"]}, "assertion_audience"),
            ({"aud": [["gatehouse-at-idp"]]}, "assertion_audience"),
            ({"azp": ""}, "assertion_of_another_client"),
            ({"azp": ["gatehouse-at-idp"]}, "assertion_of_another_client"),
            ({"aud": ["gatehouse-at-idp", "another"], "azp": "another"}, "assertion_of_another_client"),
            ({"azp": "another"}, "assertion_of_another_client"),
            ({"iss": "https://other.example"}, "issuer_untrusted"),
            ({"exp": 1}, "assertion_expired"),
            ({"sub": None}, "assertion_subject"),
        ],
    )
    def test_an_id_token_that_is_not_for_this_round(
        self, upstream: Upstream, claims: dict[str, Any], reason: str
    ) -> None:
        upstream.claims = claims
        assert upstream.sign_in().status_code == 401
        assert (refusal(), upstream.is_signed_in) == (reason, False)

    def test_another_issuer_that_says_it_is_this_one(self, upstream: Upstream) -> None:
        """Over TLS the signature need not be checked, says OpenID Connect; with several issuers it has to be."""
        from tests.xaa.company import Idp

        upstream.signer = Idp(IDP)
        upstream.signer.kid = upstream.company.idp.kid
        assert upstream.sign_in().status_code == 401
        assert refusal() == "assertion_signature"

    @pytest.mark.parametrize("iss", ["https://other.example", ""])
    def test_mix_up_an_answer_of_another_issuer(self, upstream: Upstream, iss: str) -> None:
        assert upstream.come_back(upstream.start()["state"], iss=iss).status_code == 401
        assert refusal() == "sign_in_of_another_issuer"
        assert not any(url.endswith("/token") for url, _, _ in upstream.asked)

    def test_metadata_of_another_issuer(self, upstream: Upstream) -> None:
        upstream.metadata["issuer"] = "https://other.example"
        assert upstream.browser.post(LOGIN).status_code == 401
        assert refusal() == "sign_in_unavailable"

    @pytest.mark.parametrize("endpoint", [None, "http://idp.example/authorize", "javascript:alert(1)"])
    def test_metadata_that_leads_elsewhere(self, upstream: Upstream, endpoint: str | None) -> None:
        upstream.metadata["authorization_endpoint"] = endpoint
        assert upstream.browser.post(LOGIN).status_code == 401

    def test_login_csrf_an_answer_that_this_browser_did_not_ask_for(self, upstream: Upstream) -> None:
        sent = upstream.start(browser=Browser())
        assert upstream.come_back(sent["state"]).status_code == 401
        assert not upstream.is_signed_in

    def test_an_answer_is_good_once(self, upstream: Upstream) -> None:
        sent = upstream.start()
        assert upstream.come_back(sent["state"]).status_code == 302
        assert upstream.come_back(sent["state"]).status_code == 401

    @pytest.mark.parametrize("cause", [Cause.CONNECT, Cause.TIMEOUT, Cause.DNS, Cause.TLS, Cause.PROTOCOL, Cause.BUSY])
    def test_an_issuer_that_is_down_is_a_page_and_nobodys_fault(
        self, upstream: Upstream, cause: Cause, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted: list[str] = []
        monkeypatch.setattr(rate_limits, "_count", lambda limit, _: counted.append(limit))
        upstream.fails = cause
        answer = upstream.sign_in()
        assert (answer.status_code, answer["Retry-After"]) == (503, "10")
        assert cause.value.encode() not in answer.content
        assert refusal() == "sign_in_unreachable"
        assert counted == []

    @pytest.mark.parametrize("step", ["/.well-known/", "/token", "/jwks", "/userinfo"])
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (OutboundError(Cause.TIMEOUT), 503),
            (OutboundError(Cause.CONNECT), 503),
            (OutboundError(Cause.DNS), 503),
            (OutboundError(Cause.TLS), 503),
            (OutboundError(Cause.PROTOCOL), 503),
            (OutboundError(Cause.STATUS, status=500), 503),
            (OutboundError(Cause.STATUS, status=503), 503),
            (OutboundError(Cause.STATUS, status=429), 503),
            (OutboundError(Cause.STATUS, status=404), 401),
            (OutboundError(Cause.REDIRECT, status=302), 401),
            (OutboundError(Cause.CONTENT_TYPE, status=200), 401),
            (OutboundError(Cause.TOO_LARGE), 401),
            (OutboundError(Cause.ADDRESS_FORBIDDEN), 401),
        ],
        ids=lambda value: f"{value.cause.value} {value.status or ''}" if isinstance(value, OutboundError) else "",
    )
    def test_what_an_issuer_does_not_answer_at_any_step(
        self, upstream: Upstream, step: str, error: OutboundError, status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The table of tests/attacks/test_25_hosts_that_do_not_answer.py, at the door of people. Keys that can't be had
        are a 503 whatever keeps them from us (decision 0053)."""
        counted: list[str] = []
        monkeypatch.setattr(rate_limits, "_count", lambda limit, _: counted.append(limit))
        monkeypatch.setattr(remote_keys, "keys", REAL_KEYS)
        remote_keys.forget(IDP_JWKS)
        upstream.down = {step: error}

        answer: Any = upstream.browser.post(LOGIN)
        if answer.status_code == 302:
            upstream.nonce = parse_qs(urlsplit(answer["Location"]).query)["nonce"][0]
            answer = upstream.come_back(parse_qs(urlsplit(answer["Location"]).query)["state"][0])

        expected = 503 if step == "/jwks" else status
        assert (answer.status_code, answer.get("Retry-After")) == (expected, "10" if expected == 503 else None)
        assert not upstream.is_signed_in
        keys = {"issuer_keys_unreachable", "issuer_keys_unavailable"}
        reasons = keys if step == "/jwks" else {"sign_in_unreachable" if status == 503 else "sign_in_unavailable"}
        assert refusal() in reasons
        assert counted == [] or expected == 401

    def test_the_way_back_from_a_failure_keeps_what_the_person_came_for(self, upstream: Upstream) -> None:
        back = '/accounts/login/?next=%2Faccount%2Frequests%2F"'
        upstream.fails = Cause.TIMEOUT
        on_the_way_back = upstream.sign_in("?next=/account/requests/")
        assert back in on_the_way_back.content.decode()
        upstream.metadata = {}
        discovery.forget(IDP)
        at_the_start: Any = upstream.browser.post(f"{LOGIN}?next=/account/requests/")
        assert back in at_the_start.content.decode()

    @pytest.mark.parametrize("withdrawn", [{"enabled": False}, {"accepts": ["id-jag"]}])
    def test_trust_that_was_withdrawn_meanwhile(self, upstream: Upstream, withdrawn: dict[str, Any]) -> None:
        sent = upstream.start()
        TrustedIssuer.objects.update(**withdrawn)
        assert upstream.come_back(sent["state"]).status_code == 404
        assert b"Corporate IdP" not in upstream.browser.get("/accounts/login/").content
        assert upstream.browser.post(LOGIN).status_code == 404

    def test_allauths_own_table_signs_no_one_in(self, upstream: Upstream) -> None:
        from allauth.socialaccount.models import SocialApp

        SocialApp.objects.create(
            provider="openid_connect", provider_id="evil", name="Evil", settings={"server_url": "https://evil.example"}
        )
        assert b"Evil" not in upstream.browser.get("/accounts/login/").content
        assert upstream.browser.post("/accounts/oidc/evil/login/").status_code == 404


class TestConfiguration:
    def test_the_secret_is_encrypted_and_never_shown(self, upstream: Upstream) -> None:
        row = SignInClient.objects.get()
        assert SECRET.encode() not in bytes(row.secret)
        assert secret.opened(row) == SECRET
        assert SECRET not in export()
        assert SECRET not in str(list(AuditEvent.objects.values_list("detail", flat=True)))

    def test_applying_it_again_changes_nothing_and_leaving_the_secret_out_keeps_it(self, upstream: Upstream) -> None:
        assert apply(configuration()) == []
        document = json.loads(configuration())
        del document["trusted_issuers"][0]["sign_in_secret"]
        assert apply(json.dumps(document)) == []
        assert secret.opened(SignInClient.objects.get()) == SECRET

    def test_a_new_secret_and_its_removal_are_changes(self, upstream: Upstream) -> None:
        assert len(apply(configuration(sign_in_secret="another secret of the idp"))) == 1
        document = json.loads(configuration(sign_in=None))
        del document["trusted_issuers"][0]["sign_in_secret"]
        assert len(apply(json.dumps(document))) == 1
        assert not SignInClient.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"accepts": ["id-jag"]},
            {"sign_in": None},
            {"sign_in": {"client_id": "a", "scopes": ["email"]}},
            {"sign_in": {"client_id": "a", "secret": "b"}},
            {"sign_in": {}},
        ],
    )
    def test_what_could_not_work_is_refused(self, company: Company, changes: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="sign_in"):
            apply(configuration(**changes))


class TestConsole:
    def test_an_administrator_sets_it_up_and_the_secret_is_never_shown(self, company: Company) -> None:
        browser = Browser()
        browser.force_login(person("alice"), backend="authz.sign_in.password_backend.PasswordBackend")
        issuer = TrustedIssuer.objects.get(issuer=IDP)
        page = f"/console/xaa/trustedissuer/{issuer.pk}/change/"
        shown: Any = browser.get(page)
        form = {
            **{name: value for name, value in shown.context["adminform"].form.initial.items() if value is not None},
            "accepts": ["id_token"],
            "tenants": "",
            "client_ids": "{}",
            "sign_in_client_id": "gatehouse-at-idp",
            "sign_in_secret": SECRET,
            "sign_in_scopes": "openid email",
            "workloads-TOTAL_FORMS": "0",
            "workloads-INITIAL_FORMS": "0",
        }
        assert browser.post(page, form).status_code == 302
        assert secret.opened(SignInClient.objects.get()) == SECRET
        content = browser.get(page).content.decode()
        assert SECRET not in content
        assert f"{LOGIN}callback/" in content
        assert browser.post(page, form | {"sign_in_secret": ""}).status_code == 302
        assert secret.opened(SignInClient.objects.get()) == SECRET
        assert browser.post(page, form | {"sign_in_scopes": "email"}).status_code == 200
        assert browser.post(page, form | {"sign_in_client_id": ""}).status_code == 302
        assert not SignInClient.objects.exists()


class TestAcrValues:
    """An agent, or a rule, asks for another kind of sign-in: the issuer that signs the person in is asked for it."""

    def authorize(self, upstream: Upstream, **changes: Any) -> Any:
        params = {"client_id": AGENT[0], "scope": "openid", "resource": None, "acr_values": "phr mfa"} | changes
        return upstream.browser.get(upstream.company.authorize_url(**params))

    def sent(self, upstream: Upstream, answer: Any) -> dict[str, str]:
        assert urlsplit(answer["Location"]).path == LOGIN
        return upstream.start(f"?{urlsplit(answer['Location']).query}")

    def test_they_are_passed_on_once_and_what_comes_back_is_taken(self, upstream: Upstream) -> None:
        upstream.sign_in()
        sent = self.sent(upstream, self.authorize(upstream, acr_values="phr hwk"))
        assert sent["acr_values"] == "phr hwk"
        upstream.claims = {"acr": "mfa", "auth_time": int(time.time())}
        back = upstream.come_back(sent["state"])
        # It is a wish: what the issuer could do is what the ID token will say.
        answer = upstream.browser.get(back["Location"])
        assert answer.status_code == 200, answer
        assert b"Allow" in answer.content
        assert "acr_values" not in upstream.start()

    def test_a_kind_that_was_shown_already_is_not_asked_for(self, upstream: Upstream) -> None:
        upstream.sign_in()
        assert self.authorize(upstream).status_code == 200

    def test_they_go_with_the_first_sign_in(self, upstream: Upstream) -> None:
        assert urlsplit(self.authorize(upstream)["Location"]).path == "/accounts/login/"
        assert upstream.start()["acr_values"] == "phr mfa"

    def test_without_a_page_nothing_is_asked_for(self, upstream: Upstream) -> None:
        upstream.sign_in()
        answer = self.authorize(upstream, acr_values="phr", prompt="none")
        assert redirect_parameters(answer)["error"] == "consent_required"

    def test_who_signs_in_here_is_asked_for_no_more_than_they_have(self, upstream: Upstream) -> None:
        upstream.browser.force_login(person("bob"), backend=BACKEND)
        assert (
            "/accounts/reauthenticate" in self.authorize(upstream)["Location"]
        )  # no sign-in that could be vouched for
        upstream.company.login(acr_values="phr")

    def test_what_a_rule_asks_for_is_asked_of_the_issuer_once(self, upstream: Upstream) -> None:
        strict = {"name": "Strictly", "effect": "allow", "clients": [AGENT[0]], "groups": ["*"], "grant_types": ["*"]}
        conditions = {"acr": ["phr"]}
        rule = strict | {"resources": [PAYROLL], "scopes": ["*"], "conditions": conditions}
        apply(json.dumps({"rules": [rule]}))
        upstream.sign_in()
        asked = {"scope": "payroll:read", "resource": PAYROLL, "acr_values": None}
        sent = self.sent(upstream, self.authorize(upstream, **asked))
        assert sent["acr_values"] == "phr"
        upstream.claims = {"auth_time": int(time.time())}
        upstream.come_back(sent["state"])
        refused = self.authorize(upstream, **asked)
        assert redirect_parameters(refused)["error"] == "unmet_authentication_requirements"
        upstream.claims = {"acr": "phr", "auth_time": int(time.time())}
        upstream.sign_in()
        assert self.authorize(upstream, **asked).status_code == 200
