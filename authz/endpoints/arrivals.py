"""When an authorization request arrived first: the one moment at which its time conditions are judged.

A request comes several times: before the sign-in, after it, and with the answer of the consent page. `max_age`,
`prompt=login` and a rule's `max_auth_age` ask how old the sign-in was when the request arrived, and one that is newer
meets them all. The browser keeps the moment, signed and beside the digest of the request, so that strangers leave
nothing here. Without it, or after ten minutes, the request arrives anew, and an old sign-in is old again.
"""

import hashlib
import json

from django.core import signing
from django.http import HttpRequest, HttpResponse

from authz.conf import conf
from authz.protocol.params import Params

COOKIE = "gatehouse_arrivals"
LIFETIME = 600
# Requests that one browser has under way; the oldest is forgotten first.
MOST = 8
_SALT = "authz.endpoints.arrivals"


def first_seen(request: HttpRequest, params: Params, now: float) -> tuple[float, bool]:
    """When the request arrived first (seconds since the epoch), and whether that is now."""
    at = _known(request, now).get(_digest(params))
    return (now, True) if at is None else (at, False)


def keep(request: HttpRequest, response: HttpResponse, params: Params, now: float) -> None:
    """Have the browser keep the moment while the person is under way."""
    known = _known(request, now)
    if _digest(params) not in known:
        _write(request, response, known | {_digest(params): now})


def forget(request: HttpRequest, response: HttpResponse, params: Params, now: float) -> None:
    """The request is answered: if it comes again, it is another one."""
    known = _known(request, now)
    if known.pop(_digest(params), None) is not None:
        _write(request, response, known)


def _known(request: HttpRequest, now: float) -> dict[str, float]:
    try:
        kept = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT)
    except signing.BadSignature:
        return {}
    # A moment of the future is a clock that was set back: it would make an old sign-in look as if it came before.
    return {digest: at for digest, at in kept.items() if 0 <= now - at <= LIFETIME}


def _write(request: HttpRequest, response: HttpResponse, known: dict[str, float]) -> None:
    newest = dict(sorted(known.items(), key=lambda item: item[1])[-MOST:])
    response.set_cookie(
        COOKIE,
        signing.dumps(newest, salt=_SALT),
        max_age=LIFETIME,
        path=f"{conf.issuer_path}/authorize",
        secure=conf.issuer.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )


def _digest(params: Params) -> str:
    return hashlib.sha256(json.dumps(sorted(params.items())).encode()).hexdigest()[:32]
