"""Nonces that the server supplies (RFC 9449 §8, §9): a MAC over the minute, so all nodes agree and nothing is stored.

A nonce says that its proof was made after the server gave it, so a proof that was made in advance is worth nothing. It
may be used several times, as the RFC wants; that a proof is used once is its `jti`'s part.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, MutableMapping
from typing import Any

from authz.conf import conf
from authz.keys.secrets_at_rest import key_for, other_keys_for
from authz.protocol.dpop_proofs import Proof
from authz.protocol.errors import OAuthError, Reason

PURPOSE = "DPoP nonces"
NONCE_HEADER = "DPoP-Nonce"
# In the WSGI environment: the nonce for the next request.
_NEXT = "gatehouse.dpop_nonce"
# Seconds.
PERIOD = 60
# Those of so many periods before the present one are good, and that of the next one: nodes' clocks differ.
PERIODS_BEFORE = 2


def newest(now: float) -> str:
    """The nonce to use from now on."""
    return _nonce(key_for(PURPOSE), int(now) // PERIOD)


def require(proof: Proof, now: float) -> None:
    """Raises `OAuthError` with a nonce for a proof that needs one and has none, or an old one."""
    if not conf.dpop_nonces or _is_good(proof.nonce, now):
        return
    # > the authorization server […] responds with […] "use_dpop_nonce" […] and includes a DPoP-Nonce HTTP header in the
    # > response supplying a nonce value (RFC 9449 §8)
    raise OAuthError(Reason.DPOP_NONCE, headers={NONCE_HEADER: newest(now)})


def keep_next(meta: MutableMapping[str, Any], proof: Proof, now: float) -> None:
    """Keep the nonce for the next request in the WSGI environment of this one, where it is another one."""
    if conf.dpop_nonces and proof.nonce != (nonce := newest(now)):
        meta[_NEXT] = nonce


def next_nonce(meta: Mapping[str, Any]) -> dict[str, str]:
    """The header that a response has, whichever endpoint answers and whatever it says.

    > The authorization server can supply the new nonce in the same way that the initial one was supplied (§8.2)
    """
    nonce = meta.get(_NEXT)
    return {NONCE_HEADER: nonce} if isinstance(nonce, str) else {}


def _is_good(nonce: str, now: float) -> bool:
    period = int(now) // PERIOD
    keys = (key_for(PURPOSE), *other_keys_for(PURPOSE))
    periods = range(period - PERIODS_BEFORE, period + 2)
    return nonce.isascii() and any(hmac.compare_digest(nonce, _nonce(key, one)) for key in keys for one in periods)


def _nonce(key: bytes, period: int) -> str:
    mac = hmac.digest(key, str(period).encode(), hashlib.sha256)[:18]
    return urlsafe_b64encode(mac).decode("ascii")
