"""The people that an issuer signed in are signed out once it is not trusted for that any more.

Withdrawing trust ends these sessions (xaa/lineage.py). This check also covers a bulk update, manual SQL
and a withdrawal while the person was signing in.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase

from authz.database import configuration_cache
from authz.sign_in import session
from xaa import trusted_issuers


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def within(request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            there = request.session.get(session.ELSEWHERE) or {}
            if there.get("again") and not _stands(there):
                logout(request)
            elif there.get("again"):
                request.META[session.VOUCHED] = _vouches(there)
        return get_response(request)

    return within


def _vouches(there: Mapping[str, Any]) -> bool:
    """Whether the issuer says, by what its configuration names now, that the person has shown a second factor."""
    trust = trusted_issuers.cached().get(there.get("issuer", ""))
    said = {there.get("acr", ""), *there.get("amr", ())} - {""}
    return trust is not None and trust.sign_in is not None and not trust.sign_in.vouches.isdisjoint(said)


def _stands(there: Mapping[str, Any]) -> bool:
    configuration_cache.begin()
    return trusted_issuers.signs_in(there.get("issuer", ""), there.get("tenant", ""))
