"""The decision on an authorization request of a person who is signed in: consent, wait, step up or refusal."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from authz import audit, decisions, registry, resources
from authz.approvals import rule_requests
from authz.authorizations import consents
from authz.authorizations.consents import Remembered
from authz.endpoints import authorize_precheck, not_allowed_page, waiting_page
from authz.endpoints.authorize_request import AuthorizationContext, Offer
from authz.endpoints.authorize_response import allowed, denied
from authz.endpoints.authorize_sign_in import may_ask_for_acr, missing_factor, to_second_factor, to_sign_in
from authz.endpoints.consent_page import ConsentPage
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.policy import AccessQuestion, Decision, Outcome
from authz.protocol import consent_choice, scopes
from authz.protocol.consent_choice import NotOfThisPageError
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
        return _not_allowed(request, context, user, decision, signed_in)
    offer = Offer(
        user=user,
        signed_in=signed_in,
        decision=decision,
        scopes=decision.scopes if context.resource else (),
        identity_scopes=_identity_scopes(context, user, signed_in),
    )
    remembered = _remembered(context, user)
    if request.method == "POST":
        return _answered(request, context, offer, remembered)
    if not _asks_anew(context) and (known := _answered_before(context, offer, remembered)) is not None:
        return allowed(request, context, known, has_consented=False)
    if "none" in context.request.prompt:
        raise OAuthError(Reason.CONSENT_REQUIRED)
    return _page(request, context, offer, _boxes(context, offer, remembered)).response(unticked=remembered.declined)


def _answered(
    request: HttpRequest, context: AuthorizationContext, offer: Offer, remembered: Remembered
) -> HttpResponse:
    """The answer to a form. It counts for what its page showed, and for nothing else (attack 31)."""
    if request.POST.get("deny"):
        return denied(context, offer)
    if not request.POST.get("allow"):
        # A form of another page: what waited for an approval is allowed now.
        return HttpResponseRedirect(authorize_precheck.address(request))
    boxes = request.POST.get("boxes", "").split()
    page = _page(request, context, offer, boxes)
    given = [name for name in offer.all_scopes if name not in boxes]
    # What had no box on the page was allowed before, and still is.
    if page.is_confirmed() and remembered.allowed.issuperset(given):
        try:
            kept = consent_choice.chosen(request.POST.getlist("scope"), boxes=boxes).union(given)
        except NotOfThisPageError:
            pass
        else:
            return _chosen(request, context, offer.narrowed(kept))
    error = OAuthError(Reason.CONSENT_NOT_AS_SHOWN, facts={"scope": scopes.join(offer.all_scopes)})
    record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=context.client.client_id)
    page = _page(request, context, offer, _boxes(context, offer, remembered))
    return page.response(unticked=remembered.declined, has_changed=True)


def _chosen(request: HttpRequest, context: AuthorizationContext, offer: Offer) -> HttpResponse:
    """The answer to what a person left ticked. If nothing is left that the agent could use, that is a denial."""
    if not consent_choice.is_something(offer.all_scopes, is_for_resource=context.resource is not None):
        return denied(context, offer)
    return allowed(request, context, offer, has_consented=True)


def _asks_anew(context: AuthorizationContext) -> bool:
    # > consent: The Authorization Server SHOULD prompt the End-User for consent before returning information to the
    # > Client. (OpenID Connect Core §3.1.2.1) A client that sends it asks for all of it anew, and no other client does.
    return "consent" in context.request.prompt


def _boxes(context: AuthorizationContext, offer: Offer, remembered: Remembered) -> list[str]:
    """What the page asks for: what the person has not allowed yet, or all of it."""
    missing = [name for name in offer.all_scopes if _asks_anew(context) or name not in remembered.allowed]
    return missing or list(offer.all_scopes)


def _page(request: HttpRequest, context: AuthorizationContext, offer: Offer, boxes: Sequence[str]) -> ConsentPage:
    return ConsentPage(
        request,
        params=context.params,
        client=context.client,
        redirect_uri=context.request.redirect_uri,
        resource=context.resource,
        scopes=offer.all_scopes,
        boxes=boxes,
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


def _remembered(context: AuthorizationContext, user: User) -> Remembered:
    """What the person has answered to this client before."""
    return consents.remembered(
        user=user,
        client=context.client,
        resource=context.resource,
        redirect_uri=context.request.redirect_uri,
        # > unless the identity of the client can be proven, the request SHOULD be processed as if no previous request
        # > had been approved. Measures such as claimed "https" scheme redirects MAY be accepted (RFC 8252 §8.6)
        is_proven=context.client.is_confidential or urlsplit(context.request.redirect_uri).scheme == "https",
    )


def _answered_before(context: AuthorizationContext, offer: Offer, remembered: Remembered) -> Offer | None:
    """What the person has allowed of the offer before; None if something in it was never asked, or nothing remains."""
    known = offer.narrowed(remembered.allowed)
    has_open_question = bool(remembered.unanswered(offer.all_scopes))
    remains = consent_choice.is_something(known.all_scopes, is_for_resource=context.resource is not None)
    return known if remains and not has_open_question else None


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
    request: HttpRequest,
    context: AuthorizationContext,
    user: User,
    decision: Decision,
    signed_in: BrowserSignIn,
) -> HttpResponse:
    step_up = decision.step_up
    if step_up is None:
        refusal = OAuthError(
            Reason.ACCESS_DENIED_BY_POLICY, detail=decision.reason, facts=decisions.facts_of_refusal(decision)
        )
        question = _question(context, user, signed_in, _wanted(context))
        if "none" in context.request.prompt or not rule_requests.is_askable(question, decision):
            raise refusal
        return not_allowed_page.respond(request, user, context, question=question, decision=decision, refusal=refusal)
    # Another kind of sign-in can be had, if at all, where the person signed in; a more recent one here and now.
    if step_up.acr and signed_in.acr not in step_up.acr and may_ask_for_acr(request):
        return to_sign_in(request, context, step_up.acr)
    factor = missing_factor(step_up.amr, signed_in)
    if factor is not None and (not step_up.acr or signed_in.acr in step_up.acr):
        return to_second_factor(request, context, factor)
    is_old = step_up.max_auth_age is not None and context.is_older(signed_in, step_up.max_auth_age)
    if is_old and (not step_up.acr or signed_in.acr in step_up.acr) and set(step_up.amr) <= set(signed_in.amr):
        return to_sign_in(request, context)
    raise OAuthError(Reason.AUTHENTICATION_UNMET, detail=decision.reason, facts=decisions.facts_of_refusal(decision))
