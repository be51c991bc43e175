"""OpenID Connect Back-Channel Logout: an issuer ends the sign-ins that it made here, and no other party does."""

import json
import time
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client as Browser

from authz.configuration import apply
from authz.models import AuditEvent, Authorization, BrowserSession, User
from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from tests.support import world
from tests.support.races import at_once
from tests.xaa.company import IDP, Company, Idp
from tests.xaa.upstream import Upstream, configuration, upstream
from xaa import trusted_issuers
from xaa.models import Session
from xaa.openid import backchannel_logout, logout_token
from xaa.reasons import Reason

__all__ = ["upstream"]

FORM = "application/x-www-form-urlencoded"
EVENTS = {logout_token.EVENT: {}}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    said = {
        "iss": IDP,
        "aud": "gatehouse-at-idp",
        "iat": now,
        "exp": now + 120,
        "jti": uuid.uuid4().hex,
        "sub": "bob-at-idp",
        "events": EVENTS,
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def send(token: str) -> Any:
    return Browser().post("/o/backchannel-logout", urlencode({"logout_token": token}), content_type=FORM)


def logout(upstream: Upstream, *, typ: str = "logout+jwt", **changes: Any) -> Any:
    return send(upstream.company.idp.sign(claims(**changes), typ))


def reason() -> str:
    return AuditEvent.objects.filter(event="issuer:logout:refused").latest("id").reason


def is_in(browser: Browser) -> bool:
    return SESSION_KEY in browser.session and browser.get("/account/").status_code == 200


def bob(upstream: Upstream, sid: str | None = "there-1") -> Browser:
    """Bob in another browser, signed in at the issuer."""
    upstream.browser = Browser()
    upstream.claims = {"sid": sid}
    upstream.sign_in()
    assert is_in(upstream.browser)
    return upstream.browser


@pytest.mark.parametrize("typ", ["logout+jwt", "JWT", "application/logout+jwt"])
def test_the_person_is_signed_out_and_told_so_in_the_audit(upstream: Upstream, typ: str) -> None:
    browser = bob(upstream)
    answer = logout(upstream, typ=typ)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert not is_in(browser)
    assert not Session.objects.exists()
    detail = AuditEvent.objects.get(event="issuer:logout:received").detail
    assert (detail["issuer"], detail["sub"], detail["sessions"]) == (IDP, "bob-at-idp", 1)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"sid": "there-1", "sub": None}, [False, True, True]),
        ({"sid": "there-1"}, [False, True, False]),
        ({"sub": "bob-at-idp"}, [False, False, False]),
        ({"sub": "another-at-idp", "sid": "there-1"}, [True, True, True]),
        ({"sub": "another-at-idp"}, [True, True, True]),
        ({"sid": "there-9", "sub": None}, [True, True, True]),
    ],
)
def test_which_sign_ins_end(upstream: Upstream, said: dict[str, Any], left: list[bool]) -> None:
    """The third browser's ID token named no session: with the person's name it ends, too."""
    browsers = [bob(upstream, sid) for sid in ("there-1", "there-2", None)]
    assert logout(upstream, **said).status_code == 200
    assert [is_in(browser) for browser in browsers] == left


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events": None}, "logout_event"),
        ({"events": {}}, "logout_event"),
        ({"events": [logout_token.EVENT]}, "logout_event"),
        ({"events": {logout_token.EVENT: True}}, "logout_event"),
        ({"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}}, "logout_event"),
        ({"nonce": "n"}, "logout_nonce"),
        ({"nonce": ""}, "logout_nonce"),
        ({"sub": None}, "logout_of_no_one"),
        ({"sub": ""}, "assertion_claim"),
        ({"sub": 7}, "assertion_claim"),
        ({"sub": None, "sid": ["there-1"]}, "assertion_claim"),
        ({"sid": "x" * 256}, "assertion_claim"),
        ({"jti": None}, "assertion_jti"),
        ({"jti": 1}, "assertion_claim"),
        ({"aud": None}, "assertion_audience"),
        ({"aud": "another-client"}, "assertion_audience"),
        ({"aud": ["gatehouse-at-idp", "another-client"]}, "assertion_audience"),
        ({"aud": []}, "assertion_audience"),
        ({"iat": None}, "assertion_time"),
        ({"exp": None}, "assertion_time"),
        ({"exp": 1}, "assertion_expired"),
        ({"iat": 4e9, "exp": 4e9 + 60}, "assertion_not_yet_valid"),
        ({"exp": int(time.time()) + 90000}, "assertion_lifetime"),
        ({"iss": "https://other.example"}, "issuer_untrusted"),
        ({"iss": None}, "issuer_missing"),
    ],
)
def test_what_is_no_logout_token(upstream: Upstream, changes: dict[str, Any], said: str) -> None:
    browser = bob(upstream)
    answer = logout(upstream, **changes)
    assert (answer.status_code, answer["Cache-Control"], answer.json()["error"]) == (400, "no-store", "invalid_request")
    assert reason() == said
    assert is_in(browser)


@pytest.mark.parametrize("typ", ["at+jwt", "oauth-id-jag+jwt", "secevent+jwt", "dpop+jwt"])
def test_another_kind_of_token(upstream: Upstream, typ: str) -> None:
    assert logout(upstream, typ=typ).status_code == 400
    assert reason() == "assertion_typ"


def test_forgeries(upstream: Upstream) -> None:
    """Attack 17: another's key under the right kid, no algorithm, the issuer's ID token, junk, a query."""
    browser = bob(upstream)
    thief = Idp(IDP)
    thief.kid = upstream.company.idp.kid
    assert send(thief.sign(claims(), "logout+jwt")).status_code == 400
    assert reason() == "assertion_signature"
    unsigned = "eyJhbGciOiJub25lIn0." + thief.sign(claims(), "logout+jwt").split(".")[1] + ".AA"
    for token, said in ((unsigned, "assertion_algorithm"), ("junk", "assertion_malformed"), ("", "missing_parameter")):
        assert send(token).status_code == 400
        assert reason() == said
    assert send(upstream.company.idp.id_token(aud="gatehouse-at-idp")).status_code == 400
    assert reason() == "logout_event"
    token = upstream.company.idp.sign(claims(), "logout+jwt")
    assert Browser().get(f"/o/backchannel-logout?logout_token={token}").status_code == 405
    assert Browser().post(f"/o/backchannel-logout?logout_token={token}", content_type=FORM).status_code == 400
    assert is_in(browser)


def test_a_logout_token_is_no_id_token(upstream: Upstream) -> None:
    """Cross-JWT confusion (§4): at the sign-in and as the subject of a token exchange."""
    idp = upstream.company.idp
    token = jwts.parse(idp.id_token(aud="gatehouse-at-idp", events=EVENTS))
    from xaa.subjects import identity_assertions

    with pytest.raises(OAuthError) as refused:
        identity_assertions.verify(token, idp.keys, issuer=IDP, audiences=("gatehouse-at-idp",), now=time.time())
    assert refused.value.reason == "assertion_typ"


def test_an_issuer_ends_only_its_own_sign_ins(upstream: Upstream) -> None:
    """Attack 23: another trusted issuer with the same sub and sid; one that signs no one in; one that is off."""
    browser = bob(upstream)
    second = Idp("https://second.example")
    key = {"keys": [json.loads(json.dumps(jwk_of(second)))]}
    for changes, said in (
        ({"sign_in": {"client_id": "gatehouse-at-idp"}}, ""),
        ({"sign_in": None}, "issuer_not_for_this"),
        ({"enabled": False}, "issuer_disabled"),
    ):
        item = json.loads(configuration(issuer=second.issuer, jwks=key, jwks_uri="", **changes))
        if changes.get("sign_in", True) is None:
            del item["trusted_issuers"][0]["sign_in_secret"]
        apply(json.dumps(item))
        answer = send(second.sign(claims(iss=second.issuer, sid="there-1"), "logout+jwt"))
        assert (answer.status_code, reason() if said else "") == (400 if said else 200, said)
    assert is_in(browser)


def jwk_of(idp: Idp) -> dict[str, Any]:
    from authz.protocol import jwks

    return dict(jwks.public_jwk(idp.key.public_key(), kid=idp.kid, alg=idp.alg))


def test_a_replay_does_not_end_the_next_sign_in(upstream: Upstream) -> None:
    bob(upstream)
    token = upstream.company.idp.sign(claims(), "logout+jwt")
    assert send(token).status_code == 200
    browser = bob(upstream, "there-2")
    assert send(token).status_code == 400
    assert reason() == "assertion_replayed"
    assert is_in(browser)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_at_once_counts(upstream: Upstream) -> None:
    bob(upstream)
    token = upstream.company.idp.sign(claims(), "logout+jwt")
    statuses = at_once([lambda: send(token).status_code] * 5)
    assert sorted(statuses) == [200, 400, 400, 400, 400]
    assert AuditEvent.objects.filter(event="issuer:logout:received").count() == 1
    assert AuditEvent.objects.filter(event="person:sign_in:ended").count() == 1


def test_a_sign_in_that_was_on_its_way_begins_no_session(upstream: Upstream) -> None:
    upstream.claims = {"sid": "there-1"}
    state = upstream.start()["state"]
    assert logout(upstream, sid="there-1").status_code == 200
    assert upstream.come_back(state).status_code == 403
    assert not upstream.is_signed_in
    assert AuditEvent.objects.filter(event="person:session:refused", reason="sign_in_logged_out").exists()


def test_a_logout_while_the_session_is_being_written(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def late(issuer: str, sid: str) -> bool:
        asked.append(sid)
        return len(asked) > 1

    monkeypatch.setattr(backchannel_logout, "was_logged_out", late)
    upstream.claims = {"sid": "there-1"}
    upstream.sign_in()
    assert asked == ["there-1", "there-1"]
    assert not BrowserSession.objects.exclude(user=None).exists()


def test_keys_that_cannot_be_fetched_end_nothing(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any) -> Any:
        raise OAuthError(Reason.ISSUER_KEYS_UNREACHABLE, retry_after=7)

    browser = bob(upstream)
    monkeypatch.setattr(trusted_issuers, "keys_for", unreachable)
    answer = logout(upstream)
    assert (answer.status_code, answer["Retry-After"]) == (400, "7")
    assert is_in(browser)


@pytest.mark.parametrize(("ends", "lives"), [("sign_in", True), ("access", False)])
def test_what_else_ends_is_configured(company: Company, upstream: Upstream, ends: str, lives: bool) -> None:
    apply(configuration(sign_in={"client_id": "gatehouse-at-idp", "logout_ends": ends}))
    bob(upstream)
    company.browser, there = upstream.browser, company
    page = there.browser.get(there.authorize_url())
    given = world.redirect_parameters(there.press(there.authorize_url(), page, allow="true"))
    tokens = there.redeem(given["code"]).json()
    assert there.introspect(tokens["access_token"])["active"]

    # The browser's session is long over; the person as a whole is logged out.
    Session.objects.all().delete()
    assert logout(upstream).status_code == 200
    assert there.introspect(tokens["access_token"])["active"] is lives
    assert (there.refresh(tokens["refresh_token"]).status_code == 200) is lives
    found = Authorization.objects.get(user=User.objects.get(username="bob"))
    assert found.revoked_reason == ("" if lives else "issuer_logged_out")
