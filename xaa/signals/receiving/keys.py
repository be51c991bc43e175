"""The keys of a source's transmitter, and the two bearer tokens: the one it pushes with, and ours at its endpoints."""

import hashlib
import secrets
from datetime import datetime, timedelta

from authz import audit
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.keys.secrets_at_rest import AtRest, decrypt, encrypt, moved
from authz.outbound import Role, remote_keys
from authz.outbound.remote_documents import DocumentOnItsWayError, DocumentUnavailableError
from authz.protocol.errors import OAuthError
from authz.protocol.jwks import Key
from authz.protocol.jwts import Unverified
from xaa import trusted_issuers
from xaa.models import SignalSource, SignalSourceState, SignalSourceToken
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.reasons import SignalReason
from xaa.trusted_issuers import Trust

PREFIX = "ghsig_"
USUAL_DAYS, MOST_DAYS = 365, 1825
PURPOSE, SECRETS = "signal source tokens", "signal source client secrets"
RETRY_SECONDS = 30


def transmitter_of(source: SignalSource) -> str:
    return source.transmitter or source.issuer.issuer


def trust_of(source: SignalSource) -> Trust:
    """The source's issuer, as requests see it. Raises `OAuthError` for one that is not trusted now."""
    trust = trusted_issuers.cached().get(source.issuer.issuer)
    if trust is None or not trust.enabled or not source.enabled:
        raise OAuthError(SignalReason.SOURCE_OFF, detail=source.name)
    return trust


def audiences_of(source: SignalSource, state: SignalSourceState) -> tuple[str, ...]:
    """What the `aud` of its events may be; one of them is enough."""
    return tuple(source.audience or state.audience or (conf.issuer, push_address()))


def push_address() -> str:
    """Where sources push."""
    return conf.endpoint("signals/events")


def verification_keys(source: SignalSource, state: SignalSourceState, token: Unverified) -> tuple[Key, ...]:
    """Not inside `unit_of_work()`. Raises `OAuthError`."""
    jwks_uri = source.jwks_uri or state.jwks_uri
    if not jwks_uri:
        if transmitter_of(source) != source.issuer.issuer:
            raise OAuthError(SignalReason.KEYS_UNAVAILABLE, detail="no jwks_uri", retry_after=RETRY_SECONDS)
        return trusted_issuers.keys_for(trust_of(source), token)
    try:
        return remote_keys.keys(jwks_uri, Role.ISSUER_KEYS, kid=token.kid)
    except DocumentOnItsWayError as error:
        raise OAuthError(SignalReason.KEYS_UNAVAILABLE, detail=str(error), retry_after=1) from None
    except DocumentUnavailableError as error:
        raise OAuthError(SignalReason.KEYS_UNAVAILABLE, detail=str(error), retry_after=RETRY_SECONDS) from None


# --- The token that it pushes with ------------------------------------------------------------------------------------


def make_token(source: SignalSource, *, days: int, by: str, now: datetime) -> str:
    """A new one; earlier ones stay good, so that it can be put into place before they are withdrawn."""
    token = PREFIX + secrets.token_urlsafe(32)
    with unit_of_work():
        row = SignalSourceToken.objects.create(
            source=source, digest=digest_of(token), created=now, expires=now + timedelta(days=days), by=by[:255]
        )
        detail = {"source": source.name, "token": row.pk, "expires": row.expires.isoformat(), "by": by}
        audit.record(SignalEvent.TOKEN_MADE, detail=detail)
    return token


def withdraw_token(row: SignalSourceToken, *, by: str, now: datetime) -> bool:
    """Whether it was good until now. From the next request on it is not."""
    with unit_of_work():
        if not SignalSourceToken.objects.filter(pk=row.pk, withdrawn=None).update(withdrawn=now):
            return False
        detail = {"source": row.source.name, "token": row.pk, "by": by}
        audit.record(SignalEvent.TOKEN_WITHDRAWN, detail=detail)
    return True


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


# --- Ours at its endpoints ----------------------------------------------------------------------------------------


def sealed(token: str, source: int) -> bytes:
    """As it is stored; `source` is the primary key. Empty for none."""
    return encrypt(token.encode(), purpose=PURPOSE, about=str(source)) if token else b""


def opened(source: SignalSource) -> str:
    """In clear, "" if there is none. Raises `secrets_at_rest.WrongKeyError`."""
    return decrypt(bytes(source.token), purpose=PURPOSE, about=str(source.pk)).decode() if source.token else ""


def sealed_secret(secret: str, source: int) -> bytes:
    """The same of our client secret there."""
    return encrypt(secret.encode(), purpose=SECRETS, about=str(source)) if secret else b""


def opened_secret(source: SignalSource) -> str:
    """In clear, "" if there is none. Raises `secrets_at_rest.WrongKeyError`."""
    sealed_ = bytes(source.client_secret)
    return decrypt(sealed_, purpose=SECRETS, about=str(source.pk)).decode() if sealed_ else ""


def has_credentials(source: SignalSource) -> bool:
    """Whether this server can call the transmitter."""
    return bool(source.client_secret if source.client_id else source.token)


def _moved(source: SignalSource) -> bytes | None:
    return moved(bytes(source.token), purpose=PURPOSE, about=str(source.pk)) if source.token else None


def _secret_moved(source: SignalSource) -> bytes | None:
    sealed_ = bytes(source.client_secret)
    return moved(sealed_, purpose=SECRETS, about=str(source.pk)) if sealed_ else None


AT_REST = AtRest(SignalSource, "token", _moved)
CLIENT_SECRETS_AT_REST = AtRest(SignalSource, "client_secret", _secret_moved)
