"""The authorization response (RFC 6749 §4.1.2): a code or an error, sent back to the client."""

from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse
from oauth2_provider.http import OAuth2ResponseRedirect

from authz import audit
from authz.authorizations import consents
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.endpoints import authorize_sign_in
from authz.endpoints.authorize_request import AuthorizationContext, Offer
from authz.models import BrowserSession
from authz.protocol import scopes
from authz.protocol.errors import OAuthError, Reason
from authz.tokens import authorization_codes, pushed_requests


def allowed(request: HttpRequest, context: AuthorizationContext, offer: Offer, *, has_consented: bool) -> HttpResponse:
    """Issue a code for the offer, and remember the consent if the person has just given it.

    Raises OAuthError where the session has ended.
    """
    with unit_of_work():
        # Under a lock: what ends this session (authz/authorizations/cut_off.py) finds the code that is issued here, or
        # no session.
        here = BrowserSession.objects.select_for_update().filter(digest=offer.signed_in.session_digest)
        if not here.values_list("pk").first():
            raise OAuthError(Reason.LOGIN_REQUIRED)
        if context.reference:
            pushed_requests.finish(context.reference, context.now)
        if has_consented:
            _remember(context, offer)
        code = authorization_codes.issue(
            request=context.request,
            client=context.client,
            user=offer.user,
            resource=context.resource,
            decision=offer.decision,
            scopes=offer.scopes,
            sign_in=offer.signed_in,
            identity_scopes=offer.identity_scopes,
            declined=offer.declined,
            arrived=context.arrived,
            now=context.now,
        )
    authorize_sign_in.forget_acr(request)
    return back_to_client(context.request.redirect_uri, {"code": code, "state": context.request.state})


def _remember(context: AuthorizationContext, offer: Offer) -> None:
    consents.remember(
        user=offer.user,
        client=context.client,
        resource=context.resource,
        redirect_uri=context.request.redirect_uri,
        allowed=offer.all_scopes,
        declined=offer.declined,
        now=datetime.fromtimestamp(context.now, UTC),
    )
    audit.record(
        audit.Event.CONSENT_GIVEN,
        client_id=context.client.client_id,
        subject=str(offer.user.subject),
        resource=context.resource.identifier if context.resource else "",
        detail={
            "scope": scopes.join(offer.all_scopes),
            "redirect_origin": consents.origin_of(context.request.redirect_uri),
            **_unticked(offer),
        },
    )


def _unticked(offer: Offer) -> dict[str, str]:
    return {"unticked": scopes.join(offer.declined)} if offer.declined else {}


def denied(context: AuthorizationContext, offer: Offer) -> HttpResponse:
    """Send the person back with a denial: they pressed “Deny”, or left nothing ticked that the agent could use.

    > access_denied: The resource owner or authorization server denied the request. (RFC 6749 §4.1.2.1)
    """
    error = OAuthError(Reason.CONSENT_DENIED)
    audit.record(
        audit.Event.CONSENT_DENIED,
        reason=error.reason,
        client_id=context.client.client_id,
        subject=str(offer.user.subject),
        resource=context.resource.identifier if context.resource else "",
        detail=_unticked(offer),
    )
    return back_to_client(context.request.redirect_uri, error_parameters(error, context.request.state))


def error_parameters(error: OAuthError, state: str) -> dict[str, str]:
    # > state: REQUIRED if a "state" parameter was present in the client authorization request (RFC 6749 §4.1.2.1)
    return {"error": error.code, "error_description": error.sentence, "state": state}


def back_to_client(redirect_uri: str, parameters: dict[str, str]) -> HttpResponse:
    """Send the person back to the client.

    > the authorization server … MUST include the "iss" parameter in … authorization responses, error responses included
    > (RFC 9207 §2)
    """
    answer = {name: value for name, value in (parameters | {"iss": conf.issuer}).items() if value}
    # > The endpoint URI MAY include … query component, which MUST be retained (RFC 6749 §3.1.2)
    separator = "&" if "?" in redirect_uri else "?"
    response: HttpResponse = OAuth2ResponseRedirect(
        f"{redirect_uri}{separator}{urlencode(answer)}", [urlsplit(redirect_uri).scheme]
    )
    return response
