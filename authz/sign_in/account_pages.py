"""Which of allauth's pages there are: what is not named here is not found (docs/decisions/0037-people-and-sign-in.md).

People do not sign up, do not give themselves an address, and do not connect accounts. A page that a later version of
allauth adds stays closed until it is listed here.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

from allauth import urls
from allauth.account import app_settings
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, URLResolver, reverse

from authz import audit
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.protocol.errors import OAuthError, Reason
from authz.sign_in import demanded_factor, password_reset, second_factors, session

OPEN = frozenset(
    {
        "account_login",
        "account_logout",
        "account_inactive",
        "account_reauthenticate",
        "account_change_password",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "mfa_index",
        "mfa_authenticate",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "mfa_login_webauthn",
        "socialaccount_login_cancelled",
        "socialaccount_login_error",
        "openid_connect_login",
        "openid_connect_callback",
    }
)
# They need a fresh sign-in with all its factors: a password alone must not remove the second factor.
FRESH = frozenset(
    {
        "mfa_activate_totp",
        "mfa_deactivate_totp",
        "mfa_list_webauthn",
        "mfa_add_webauthn",
        "mfa_edit_webauthn",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
    }
)

# Of these, the ones that take a factor away.
REMOVING = frozenset({"mfa_deactivate_totp", "mfa_remove_webauthn"})

View = Callable[..., HttpResponseBase]
# These replace allauth's own.
OURS: Mapping[str, View] = {
    "account_reset_password": password_reset.AskView.as_view(),
    "account_reset_password_from_key": password_reset.ChooseView.as_view(),
}


def urlpatterns() -> list[URLPattern | URLResolver]:
    """allauth's addresses, so that its own links can be written, each with the view that it may have."""
    return [_guarded(entry) for entry in urls.urlpatterns]


def names() -> Iterator[str]:
    """The names of all addresses that allauth has (tests)."""
    return _names(urls.urlpatterns)


def _names(entries: Sequence[URLPattern | URLResolver]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from _names(entry.url_patterns)
        else:
            yield entry.name or ""


def _guarded(entry: URLPattern | URLResolver) -> URLPattern | URLResolver:
    if isinstance(entry, URLResolver):
        within = [_guarded(nested) for nested in entry.url_patterns]
        return URLResolver(entry.pattern, within, entry.default_kwargs, entry.app_name, entry.namespace)
    view: View = OURS.get(entry.name or "", entry.callback)
    if entry.name in {*FRESH, "account_change_password"}:
        view = _not_in_an_emergency(view)
    if entry.name in REMOVING:
        view = _keeping_the_last(view)
    if entry.name in FRESH:
        view = _fresh(view)
    elif entry.name not in OPEN:
        view = _closed(view)
    return URLPattern(entry.pattern, view, entry.default_args, entry.name)


def _closed(view: View) -> View:
    @wraps(view)
    def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        raise Http404

    return not_found


def _not_in_an_emergency(view: View) -> View:
    """An emergency account gets neither a factor nor another password by itself: its way in would outlive its hour."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and request.user.is_emergency:
            raise PermissionDenied("An emergency account is changed by `gatehouse emergency_account` alone.")
        return view(request, *args, **kwargs)

    return guarded


def _keeping_the_last(view: View) -> View:
    """A demanded factor is replaced, not removed (attack 54). Of two requests that remove the last two, one waits."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or not isinstance(request.user, User):
            return view(request, *args, **kwargs)
        with transaction.atomic():
            user = User.objects.select_for_update().get(pk=request.user.pk)
            mine = Authenticator.objects.filter(user=user)
            row = mine.filter(pk=kwargs["pk"]) if "pk" in kwargs else mine.filter(type=Authenticator.Type.TOTP)
            why = second_factors.why_kept(user, row.first())
            if not why:
                answer = view(request, *args, **kwargs)
                return answer.render() if isinstance(answer, SimpleTemplateResponse) else answer
        error = OAuthError(Reason.SECOND_FACTOR_DEMANDED, detail="removing the last one")
        record_unauthenticated(audit.Event.SIGN_IN_FAILED, error, subject=str(user.subject))
        messages.error(request, why)
        return HttpResponseRedirect(reverse("mfa_index"))

    return guarded


def _fresh(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            # A sign-in from before the person had a factor must not add another one, or remove it.
            if second_factors.of_person(request.user) and not session.second_factor_kinds(request):
                return HttpResponseRedirect(demanded_factor.address(request.get_full_path()))
            age = time.time() - session.current(request).auth_time
            if age > app_settings.REAUTHENTICATION_TIMEOUT:
                return redirect_to_login(request.get_full_path(), session.anew(request))
        return view(request, *args, **kwargs)

    return guarded
