"""Back-channel logout: a trusted issuer says that a person's session there is over, and the sign-in here ends with it
(OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8).
"""

from datetime import UTC, datetime

from django.db.models import F, Q, QuerySet
from django.urls import path

from authz import audit, authorizations
from authz.conf import conf
from authz.database import replay
from authz.database.transactions import unit_of_work
from authz.endpoints.machine import Answer, Request, form, json_response, machine_endpoint, now
from authz.limits import rate_limits
from authz.models import Authorization, AuthorizationCode
from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from authz.protocol.params import required
from xaa import trusted_issuers
from xaa.events import Event
from xaa.models import Session, SubjectLink
from xaa.openid import logout_token
from xaa.openid.logout_token import Logout
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.subjects import sessions
from xaa.trusted_issuers import Trust

LOGGED_OUT = "issuer_logged_out"
# Seconds. A sign-in that was on its way when its session ended there begins no session here.
REMEMBERED = 24 * 3600


def _refusal(request: Request, error: OAuthError) -> Answer:
    # > If the logout request was invalid or the logout failed, the RP MUST respond with HTTP 400 Bad Request. (§2.8)
    body = {"error": "invalid_request", "error_description": "The logout token is not accepted."}
    status = error.status if error.status in {405, 429} else 400
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    return json_response(body, status=status, headers=headers)


@machine_endpoint("POST", refused=Event.LOGOUT_REFUSED, cors=False, refusal=_refusal)
def backchannel_logout(request: Request) -> Answer:
    """End the sign-ins that a `logout_token` names. Raises `OAuthError`.

    > If the logout succeeded, the RP MUST respond with HTTP 200 OK. […] The RP's response SHOULD include the
    > Cache-Control HTTP response header field with a no-store value (§2.8)
    """
    rate_limits.admit()
    token = required(form(request), "logout_token")
    try:
        unverified = jwts.parse(token)
    except jwts.JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None
    trust = trusted_issuers.of(unverified)
    if trust.sign_in is None or not trust.signs_in:
        raise OAuthError(Reason.ISSUER_NOT_FOR_THIS, detail="sign_in")
    moment = now()
    keys = trusted_issuers.keys_for(trust, unverified)
    said = logout_token.verify(
        unverified,
        keys,
        issuer=trust.issuer,
        client_id=trust.sign_in.client_id,
        others=trust.trusted_audiences,
        now=moment,
    )
    with unit_of_work():
        _log_out(trust, said, datetime.fromtimestamp(moment, UTC))
    return json_response({})


def was_logged_out(issuer: str, sid: str) -> bool:
    """Whether the issuer has said that this session of it is over."""
    return bool(sid) and replay.is_claimed(_over(issuer), sid)


def _over(issuer: str) -> str:
    return f"logged out at:{issuer}"


def _log_out(trust: Trust, said: Logout, moment: datetime) -> None:
    """Inside `unit_of_work()`: the claim, and then what it causes."""
    # > Optionally verify that another Logout Token with the same jti value has not been recently received. (§2.6)
    # One that names a person would end the sign-ins that came after it.
    if not replay.claim(f"logout:{trust.issuer}", said.jti, said.expires):
        raise OAuthError(Reason.ASSERTION_REPLAYED)
    if said.sid:
        replay.claim(_over(trust.issuer), said.sid, moment.timestamp() + REMEMBERED)
    found = _sessions(said)
    digests = list(found.values_list("digest", flat=True))
    # Sessions first: a request that is about to issue a code holds its session's row.
    sessions.end(found)
    AuthorizationCode.objects.filter(session_digest__in=digests, used=None).update(expires=F("created"))
    ended = 0
    if trust.sign_in is not None and trust.sign_in.logout_ends_access:
        ended = authorizations.end(_opened_by(said, digests), reason=LOGGED_OUT, now=moment)
    detail = {"issuer": trust.issuer, "sessions": len(digests), "authorizations": ended}
    named = {name: value for name, value in (("sub", said.sub), ("sid", said.sid)) if value}
    audit.record(Event.LOGOUT_RECEIVED, detail={**detail, **named})


def _sessions(said: Logout) -> QuerySet[Session]:
    """> the RP locates the session(s) identified by the iss and sub Claims and/or the sid Claim (§2.7)"""
    of_person = {"issuer_sub": said.sub} if said.sub else {}
    if not said.sid:
        return Session.objects.filter(issuer=said.issuer, **of_person)
    named = Q(issuer_sid=said.sid)
    # A sign-in whose ID token named no session is the person's, and may be this one.
    if said.sub:
        named |= Q(issuer_sid="")
    return Session.objects.filter(named, issuer=said.issuer, **of_person)


def _opened_by(said: Logout, digests: list[str]) -> QuerySet[Authorization]:
    """What was given in these sign-ins; where the whole person is logged out, in earlier ones by that issuer, too."""
    opened = Q(session_digest__in=digests)
    if not said.sid:
        people = SubjectLink.objects.filter(issuer__issuer=said.issuer, subject=said.sub).values("user")
        opened |= Q(lineage__signed_in_by=said.issuer, user__in=people)
    return Authorization.objects.filter(opened)


def address() -> str:
    """What an issuer has to know: the `backchannel_logout_uri` of this server (§2.2)."""
    return conf.endpoint("backchannel-logout")


urlpatterns = [path("backchannel-logout", backchannel_logout, name="backchannel_logout")]
