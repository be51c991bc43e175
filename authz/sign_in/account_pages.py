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
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver

from authz.sign_in import password_reset, session

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
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
    }
)

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


def _fresh(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            age = time.time() - session.current(request).auth_time
            if age > app_settings.REAUTHENTICATION_TIMEOUT:
                return redirect_to_login(request.get_full_path(), session.anew(request))
        return view(request, *args, **kwargs)

    return guarded
