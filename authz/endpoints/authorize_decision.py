"""The decision on an authorization request of a person who is signed in: consent, wait, step up or refusal."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from authz import audit, decisions, registry, resources
from authz.authorizations import consents
from authz.endpoints import authorize_precheck, waiting_page
from authz.endpoints.authorize_request import AuthorizationContext, Offer
from authz.endpoints.authorize_response import allowed, denied
from authz.endpoints.authorize_sign_in import may_ask_for_acr, to_sign_in
from authz.endpoints.consent_page import ConsentPage
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.policy import AccessQuestion, Decision, Outcome
from authz.protocol import scopes
from authz.protocol.errors import OAuthError, Reason
from authz.sign_in.session import BrowserSignIn
from authz.sign_in.sign_in import sign_in_of

GRANT_TYPE = "authorization_code"


def decide(request: HttpRequest, context: AuthorizationContext, user: User, signed_in: BrowserSignIn) -> HttpResponse:
    """The answer to a person who is signed in: a page, a code, or the way to a better sign-in.

    Raises OAuthError for a refusal.
    """
    decision = _decision(context, user, signed_in)
    if decision.effect is Outcome.PENDING:
        return _waits(request, context, user, _question(context, user, signed_in, _wanted(context)), decision)
    if decision.effect is not Outcome.ALLOW:
        return _not_allowed(request, context, decision, signed_in)
    offer = Offer(
        user=user,
        signed_in=signed_in,
        decision=decision,
        scopes=decision.scopes if context.resource else (),
        identity_scopes=_identity_scopes(context, user, signed_in),
    )
    if request.method == "POST":
        return _answered(request, context, offer)
    if _is_consented(context, offer) and "consent" not in context.request.prompt:
        return allowed(request, context, offer, has_consented=False)
    if "none" in context.request.prompt:
        raise OAuthError(Reason.CONSENT_REQUIRED)
    return _page(request, context, offer).response()


def _answered(request: HttpRequest, context: AuthorizationContext, offer: Offer) -> HttpResponse:
    """The answer to a form. It counts for what its page showed, and for nothing else (attack 31)."""
    if request.POST.get("deny"):
        return denied(context, offer.user)
    if not request.POST.get("allow"):
        # A form of another page: what waited for an approval is allowed now.
        return HttpResponseRedirect(authorize_precheck.address(request))
    page = _page(request, context, offer)
    if page.is_confirmed():
        return allowed(request, context, offer, has_consented=True)
    error = OAuthError(Reason.CONSENT_NOT_AS_SHOWN, facts={"scope": scopes.join(offer.all_scopes)})
    record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=context.client.client_id)
    return page.response(has_changed=True)


def _page(request: HttpRequest, context: AuthorizationContext, offer: Offer) -> ConsentPage:
    return ConsentPage(
        request,
        params=context.params,
        client=context.client,
        redirect_uri=context.request.redirect_uri,
        resource=context.resource,
        scopes=offer.all_scopes,
        subject=offer.user,
    )


def _decision(context: AuthorizationContext, user: User, signed_in: BrowserSignIn) -> Decision:
    return decisions.evaluate_either(_question(context, user, signed_in, _wanted(context)), context.now)


def _wanted(context: AuthorizationContext) -> Sequence[str]:
    if context.resource is None:
        return scopes.registered(context.client.scope, context.request.identity_scopes)
    return scopes.for_client(context.request.scopes, context.client.scope, resources.scopes_of(context.resource))


def _identity_scopes(context: AuthorizationContext, user: User, signed_in: BrowserSignIn) -> tuple[str, ...]:
    """The identity scopes that this server offers, the client is registered for, and the rules leave."""
    offered = {*registry.metadata().get("scopes_supported", ()), "offline_access"}
    names = scopes.registered(
        context.client.scope, [name for name in context.request.identity_scopes if name in offered]
    )
    if not names:
        return ()
    return decisions.evaluate_sign_in(_question(context, user, signed_in, names), context.now).scopes


def _question(
    context: AuthorizationContext, user: User, signed_in: BrowserSignIn, names: Sequence[str]
) -> AccessQuestion:
    return decisions.access_question(
        client=context.client,
        sign_in=replace(
            sign_in_of(user, signed_in),
            auth_time=decisions.as_old_as(signed_in.auth_time, then=context.arrived, now=context.now),
        ),
        grant_type=GRANT_TYPE,
        resource=context.resource,
        scopes=names,
        address=context.address,
    )


def _is_consented(context: AuthorizationContext, offer: Offer) -> bool:
    # > unless the identity of the client can be proven, the request SHOULD be processed as if no previous request had
    # > been approved. Measures such as claimed "https" scheme redirects MAY be accepted (RFC 8252 §8.6)
    if not context.client.is_confidential and urlsplit(context.request.redirect_uri).scheme != "https":
        return False
    return consents.covers(
        user=offer.user,
        client=context.client,
        resource=context.resource,
        redirect_uri=context.request.redirect_uri,
        scopes=offer.all_scopes,
    )


def _waits(
    request: HttpRequest, context: AuthorizationContext, user: User, question: AccessQuestion, decision: Decision
) -> HttpResponse:
    """The waiting page. After the approval the same request is allowed."""
    # > none: The Authorization Server MUST NOT display any authentication or consent user interface pages.
    if "none" in context.request.prompt:
        raise OAuthError(Reason.CONSENT_REQUIRED, detail=decision.reason)
    return waiting_page.for_request(
        request,
        user,
        params=context.params,
        client=context.client,
        resource=context.resource,
        question=question,
        decision=decision,
        now=context.now,
    )


def _not_allowed(
    request: HttpRequest, context: AuthorizationContext, decision: Decision, signed_in: BrowserSignIn
) -> HttpResponse:
    step_up = decision.step_up
    if step_up is None:
        raise OAuthError(
            Reason.ACCESS_DENIED_BY_POLICY, detail=decision.reason, facts=decisions.facts_of_refusal(decision)
        )
    # Another kind of sign-in can be had, if at all, where the person signed in; a more recent one here and now.
    if step_up.acr and signed_in.acr not in step_up.acr and may_ask_for_acr(request):
        return to_sign_in(request, context, step_up.acr)
    is_old = step_up.max_auth_age is not None and context.is_older(signed_in, step_up.max_auth_age)
    if is_old and (not step_up.acr or signed_in.acr in step_up.acr) and set(step_up.amr) <= set(signed_in.amr):
        return to_sign_in(request, context)
    raise OAuthError(Reason.AUTHENTICATION_UNMET, detail=decision.reason, facts=decisions.facts_of_refusal(decision))
