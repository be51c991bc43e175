"""The page of an invitation: a person without a password chooses one, and is signed in."""

from datetime import UTC, datetime

from allauth.account.forms import SetPasswordForm
from allauth.account.internal.flows.login import perform_password_login
from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.account.models import Login
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from authz import audit
from authz.authorizations.live import groups_of
from authz.limits import rate_limits
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import Rule, User
from authz.protocol.errors import OAuthError
from authz.sign_in import invitations

# What a rule calls the second factors that people set up here (RFC 8176).
SECOND_FACTORS = frozenset({"otp", "mfa"})
DEMANDED = "A rule demands a second factor of you. Set it up now."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """GET: the form. POST: set the password, and sign in. A link that cannot be used gets one answer, whatever the
    reason: a stranger who tries links learns nothing of people."""
    where, now = audit.current_origin(), datetime.now(UTC)
    with audit.origin(where.address, where.request_id, "login"):
        rate_limits.admit()
    try:
        user = invitations.find(token, now).user
        form = SetPasswordForm(user, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            return _signed_in(request, invitations.accept(token, form.cleaned_data["password1"], now))
    except OAuthError as refused:
        record_unauthenticated(audit.Event.INVITATION_REFUSED, refused)
        return render(request, "account/invitation_unusable.html", status=404)
    return render(request, "account/invitation.html", {"form": form, "person": user})


def _signed_in(request: HttpRequest, user: User) -> HttpResponse:
    if request.user.is_authenticated:
        logout(request)
    is_demanded = demands_second_factor(user)
    target = reverse("mfa_activate_totp" if is_demanded else "account_home")
    login = Login(user=user, redirect_url=target)
    answer: HttpResponse = perform_password_login(request, {"username": user.username}, login)
    if is_demanded and request.user == user:
        messages.warning(request, DEMANDED)
        # The page asks for a password that was shown a moment ago, and it was.
        reauthenticate_by_password(request)
    return answer


def demands_second_factor(user: User) -> bool:
    """Whether a rule that is about this person asks for a sign-in with a second factor."""
    groups = set(groups_of(user))
    for rule in Rule.objects.filter(enabled=True):
        methods = (rule.definition.get("conditions") or {}).get("amr") or ()
        users, named = rule.definition.get("users") or (), rule.definition.get("groups") or ()
        is_about = "*" in (*users, *named) or user.username in users or bool(groups & set(named))
        if is_about and SECOND_FACTORS & set(methods):
            return True
    return False
