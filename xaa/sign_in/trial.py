"""A test sign-in: the whole flow of OpenID Connect with an issuer, by which no one is signed in, linked or created.

It goes the way of a real sign-in (xaa/sign_in/exchange.py) and comes back to the same redirect URI, so what works here
works there. Its state is of another kind: the flow of django-allauth does not know it, and a real one's is not known
here. So neither can be completed by the other.
"""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest

from authz import audit
from authz.database import replay
from authz.models import User
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError
from xaa import trusted_issuers
from xaa.events import Event
from xaa.models import TrustedIssuer
from xaa.sign_in import exchange, set_ups
from xaa.sign_in.adapter import provider_id
from xaa.sign_in.provider import callback_url
from xaa.sign_in.said import read
from xaa.sign_in.set_ups import Tested
from xaa.subjects import subject_resolution
from xaa.subjects.subject_resolution import Resolution
from xaa.trusted_issuers import Trust, Use

# What the states of tests begin with; django-allauth's have letters and digits alone.
PREFIX: Final = "test-"
LIFETIME: Final = 600  # seconds for signing in at the issuer
_KEPT: Final = "test sign-in"  # in the session


class OverError(Exception):
    """There is no such test in this browser: it was completed, it is too old, or it never was begun here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a test showed. Without a `resolution` no person would be signed in, and `refusal` says why.

    `claims` are those of the ID token and UserInfo together, empty where no ID token could be verified.
    """

    row: TrustedIssuer
    trust: Trust
    claims: Mapping[str, Any] = field(default_factory=dict)
    resolution: Resolution | None = None
    refusal: OAuthError | None = None
    said: str = ""  # the error that the issuer itself answered with


def is_trial(request: HttpRequest) -> bool:
    """Whether what comes back from an issuer belongs to a test."""
    return request.GET.get("state", "").startswith(PREFIX)


def begin(request: HttpRequest, row: TrustedIssuer, tested: Tested, by: User) -> str:
    """Where to send the administrator's browser. Raises OAuthError where the issuer's metadata can't be had."""
    metadata = exchange.metadata_of(tested.trust)
    state, nonce, verifier = PREFIX + secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    request.session[_KEPT] = {
        "state": state,
        "nonce": nonce,
        "verifier": verifier,
        "issuer": row.pk,
        "digest": tested.digest,
        "by": by.pk,
        "until": int(time.time()) + LIFETIME,
    }
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    params = {
        "response_type": "code",
        "client_id": tested.client_id,
        "redirect_uri": callback_url(provider_id(tested.trust.issuer)),
        "scope": " ".join(tested.scopes),
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    address = str(metadata["authorization_endpoint"])
    return f"{address}{'&' if '?' in address else '?'}{urlencode(params)}"


def finish(request: HttpRequest, by: User, provider: str) -> Result:
    """What came back, looked at as a sign-in would look at it. Writes no person, link, group or session of theirs.

    Raises `OverError`.
    """
    kept = request.session.pop(_KEPT, None)
    row, tested = _begun(kept, request.GET.get("state", ""), by, provider)
    try:
        result = _looked(request, kept, row, tested)
    except OAuthError as error:
        result = Result(row=row, trust=tested.trust, refusal=error)
    found = result.resolution
    detail: dict[str, object] = {"issuer": tested.trust.issuer, "by": by.username, "found": found is not None}
    if result.refusal is not None:
        detail["why"] = result.refusal.reason.value
    audit.record(Event.SIGN_IN_TESTED, subject=str(by.subject), detail=detail)
    if found is not None:
        set_ups.note_tested(row, tested.digest, by)
    return result


def _begun(kept: Any, state: str, by: User, provider: str) -> tuple[TrustedIssuer, Tested]:
    """The issuer and the set-up of the test that this browser began."""
    if not kept or not hmac.compare_digest(kept["state"].encode(), state.encode("utf-8", "replace")):
        raise OverError
    if kept["by"] != by.pk or kept["until"] < time.time():
        raise OverError
    row = TrustedIssuer.objects.filter(pk=kept["issuer"]).first()
    tested = set_ups.tested(row) if row is not None else None
    # Another issuer's callback is no answer of this one (RFC 9700 §4.4.2.2), nor is one to an older set-up.
    if row is None or tested is None or provider_id(tested.trust.issuer) != provider:
        raise OverError
    if not hmac.compare_digest(tested.digest, kept["digest"]):
        raise OverError
    # Two requests may have read the session at the same moment: one statement says which of them was first.
    if not replay.claim("test sign-in", state, kept["until"] + LIFETIME):
        raise OverError
    return row, tested


def _looked(request: HttpRequest, kept: Mapping[str, Any], row: TrustedIssuer, tested: Tested) -> Result:
    trust = tested.trust
    if "error" in request.GET:
        told = ": ".join(filter(None, (request.GET["error"], request.GET.get("error_description", ""))))
        return Result(row=row, trust=trust, said=visible(told)[:300])
    returned = exchange.Returned(
        code=request.GET.get("code", ""),
        iss=request.GET.get("iss"),
        verifier=kept["verifier"],
        redirect_uri=callback_url(provider_id(trust.issuer)),
    )
    answer = exchange.tokens(trust, tested.client_id, tested.secret, returned)
    id_token = exchange.id_token(trust, tested.client_id, answer.get("id_token"), nonce=kept["nonce"])
    userinfo = exchange.userinfo(trust, answer.get("access_token", ""))
    try:
        trusted_issuers.require(trust, Use.ID_TOKEN)
        claims = read(trust, id_token, userinfo)
        return Result(row=row, trust=trust, claims=claims, resolution=subject_resolution.look(trust, claims))
    except OAuthError as error:
        also = userinfo if userinfo.get("sub") == id_token.get("sub") else {}
        return Result(row=row, trust=trust, claims={**also, **id_token}, refusal=error)
