"""Pages wait for a second factor where the person's role demands one, and the page that leads to it."""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz.conf import conf
from authz.models import User
from authz.sign_in import second_factors, session

# The pages by which a person shows or sets up a factor, or leaves. Any other page waits. `/authorize` asks by itself
# (authz/endpoints/authorize.py), since it may have to answer its client instead of showing a page.
OPEN = frozenset(
    {
        "account_second_factor",
        "account_logout",
        "account_login",
        "account_reauthenticate",
        "account_inactive",
        "mfa_index",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_view_recovery_codes",
        "openid_connect_login",
        "openid_connect_callback",
        "socialaccount_login_cancelled",
        "socialaccount_login_error",
        "authorize",
    }
)
CAME_FOR = "came for a second factor"
# `factor` of the page's address → the factors that answer it.
_FITTING = {"": second_factors.REAL, "otp": (Authenticator.Type.TOTP,), "hwk": (Authenticator.Type.WEBAUTHN,)}


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def within(request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated and not _is_open(request) and second_factors.is_due(request):
            return HttpResponseRedirect(address(request.get_full_path() if request.method == "GET" else ""))
        return get_response(request)

    return within


def _is_open(request: HttpRequest) -> bool:
    try:
        name = resolve(request.path_info).url_name
    except Resolver404:
        return False
    return name in OPEN


def address(came_for: str, factor: str = "") -> str:
    """Where a person shows a second factor, and from where they go on to `came_for`."""
    query = {name: value for name, value in (("next", came_for), ("factor", factor)) if value}
    return f"{reverse('account_second_factor')}{'?' if query else ''}{urlencode(query)}"


@login_required
@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show a factor, or set one up; then on to `next`, which the session keeps meanwhile."""
    assert isinstance(request.user, User)  # noqa: S101  signed in
    factor = request.GET.get("factor", "")
    fitting = _FITTING.get(factor, second_factors.REAL)
    if (wanted := request.GET.get("next", "")) and get_adapter(request).is_safe_url(wanted):
        request.session[CAME_FOR] = {"next": wanted, "factor": factor}
    kept = request.session.get(CAME_FOR) or {}
    fitting = _FITTING.get(kept.get("factor", factor), fitting)
    onward = kept.get("next") or reverse("account_home")
    if _has_shown(request, fitting):
        request.session.pop(CAME_FOR, None)
        return HttpResponseRedirect(onward)
    here = urlencode({"next": reverse("account_second_factor")})
    has = {row.type for row in second_factors.of_person(request.user)} & set(fitting)
    context = {
        "here": here,
        "has_app": Authenticator.Type.TOTP in has,
        "has_passkey": Authenticator.Type.WEBAUTHN in has,
        "app_fits": Authenticator.Type.TOTP in fitting,
        "passkey_fits": Authenticator.Type.WEBAUTHN in fitting and has_a_name(conf.origin),
        "is_demanded": second_factors.is_demanded(request.user),
    }
    return render(request, "account/second_factor.html", context)


def _has_shown(request: HttpRequest, fitting: tuple[str, ...]) -> bool:
    if set(fitting) == set(second_factors.REAL):
        return session.has_second_factor(request)
    return bool(session.second_factor_kinds(request) & set(fitting))


def has_a_name(origin: str) -> bool:
    """Passkeys are bound to a host's name; an address such as 127.0.0.1 has none."""
    host = urlsplit(origin).hostname or ""
    return ":" not in host and not host.replace(".", "").isdigit()
