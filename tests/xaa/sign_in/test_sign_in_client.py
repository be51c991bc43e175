"""Signing in by an issuer whose client we are: what is asked of it, and what its answer means."""

import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth import SESSION_KEY

from authz.configuration import apply
from authz.sign_in import session as sign_in
from tests.support.world import PAYROLL, hidden_fields, person, redirect_parameters
from tests.xaa.company import AGENT

# Before the company's fixture puts its own in their place.
from tests.xaa.upstream import LOGIN, SECRET, Upstream, refusal, upstream
from xaa.sign_in import exchange

__all__ = ["upstream"]

BACKEND = "authz.sign_in.password_backend.PasswordBackend"


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
        assert sent["code_challenge"] == exchange.b64encode(challenge, b"-_").decode().rstrip("=")

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
