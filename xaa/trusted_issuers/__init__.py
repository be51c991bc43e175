"""The trusted issuers, as requests see them, and their keys.

An issuer that is not listed, is disabled, or is listed for another use is not trusted; an empty list trusts no one
(invariant 5, attack 18). Configuration comes from the cache, so switching one off holds from the next request on.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError

from authz.database import configuration_cache
from authz.outbound import Role, remote_keys
from authz.outbound.remote_documents import DocumentOnItsWayError, DocumentUnavailableError, DocumentUnreachableError
from authz.protocol import jwks, jwts
from authz.protocol.errors import OAuthError
from authz.protocol.jwks import Key
from authz.protocol.jwts import JwtError, Unverified
from authz.serving import afterwards
from xaa.models import IssuerHealth, SignInClient, TrustedIssuer
from xaa.reasons import Reason
from xaa.trusted_issuers import discovery
from xaa.workloads import USUAL_LIFETIME, Binding, spiffe

Use = TrustedIssuer.Use


@dataclass(frozen=True, slots=True)
class SignIn:
    """The client of the issuer as which this server signs people in. Its secret is not in the configuration cache."""

    client_id: str
    scopes: tuple[str, ...]
    vouches: frozenset[str] = frozenset()  # values of acr or amr that stand for a second factor
    logout_ends_access: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """One trusted issuer's configuration, as values. `jwks_uri` is empty where it is to be discovered."""

    pk: int
    issuer: str
    name: str
    enabled: bool
    jwks_uri: str
    accepts: frozenset[str]
    match: tuple[str, ...]
    create: bool
    groups_claim: str
    tenants: tuple[str, ...]
    client_ids: Mapping[str, str]
    trusted_audiences: frozenset[str]
    workloads: tuple[Binding, ...]
    # Inline keys, which count beside those at an address, and without one are all of them.
    keys: tuple[Key, ...] = ()
    passed_over: tuple[str, ...] = ()  # the inline keys that do not count, and why
    audience: tuple[str, ...] = ()
    max_lifetime: int = USUAL_LIFETIME
    reuse: bool = False
    sign_in: SignIn | None = None
    public_clients: tuple[str, ...] = ()
    public_client_lifetime: int = 60
    email_trusted: bool = False
    email_domains: tuple[str, ...] = ()
    aud_tenant: str = ""

    @property
    def signs_in(self) -> bool:
        """Whether people may sign in by it: as a client of it, and only while it is believed for its ID tokens."""
        return self.enabled and self.sign_in is not None and Use.ID_TOKEN.value in self.accepts


def cached() -> Mapping[str, Trust]:
    """All configured issuers by identifier, the disabled ones too."""
    return configuration_cache.cached("trusted issuers", _load)


def _load() -> Mapping[str, Trust]:
    rows = TrustedIssuer.objects.select_related("sign_in").prefetch_related("workloads__client")
    return {
        row.issuer: Trust(
            pk=row.pk,
            issuer=row.issuer,
            name=row.name,
            enabled=row.enabled,
            jwks_uri=row.jwks_uri,
            accepts=frozenset(row.accepts),
            match=tuple(row.match),
            create=row.create,
            groups_claim=row.groups_claim,
            tenants=tuple(row.tenants),
            client_ids=dict(row.client_ids),
            trusted_audiences=frozenset(row.trusted_audiences),
            workloads=tuple(
                Binding(binding.subject, binding.client.client_id, binding.claims, binding.reuse)
                for binding in row.workloads.all()
            ),
            keys=(inline := jwks.read(row.jwks or {"keys": []})).keys,
            passed_over=tuple(str(one) for one in inline.passed_over),
            audience=tuple(row.audience),
            max_lifetime=row.max_lifetime,
            reuse=row.reuse,
            sign_in=_sign_in(row.sign_in) if hasattr(row, "sign_in") else None,
            public_clients=tuple(row.public_clients),
            public_client_lifetime=row.public_client_lifetime,
            email_trusted=row.email_trusted,
            email_domains=tuple(row.email_domains),
            aud_tenant=row.aud_tenant,
        )
        for row in rows
    }


def _sign_in(client: SignInClient) -> SignIn:
    ends_access = client.logout_ends == SignInClient.LogoutEnds.ACCESS
    return SignIn(client.client_id, tuple(client.scopes), frozenset(client.vouches), ends_access)


def signs_in(issuer: str, tenant: str = "") -> bool:
    """Whether an issuer's sign-ins count now: it is believed for them, and its tenant is."""
    trust = cached().get(issuer)
    return trust is not None and trust.signs_in and (not trust.tenants or tenant in trust.tenants)


def of(token: Unverified) -> Trust:
    """The trusted issuer that the token names; `require` says what it is trusted for. Raises `OAuthError`."""
    issuer = _named(token.claims)
    if not isinstance(issuer, str) or not issuer:
        raise OAuthError(Reason.ISSUER_MISSING)
    # By its identifier, byte for byte: no slash is added, no case is folded.
    trust = cached().get(issuer)
    if trust is None:
        raise OAuthError(Reason.ISSUER_UNTRUSTED)
    if not trust.enabled:
        raise OAuthError(Reason.ISSUER_DISABLED)
    return trust


def _named(claims: Mapping[str, Any]) -> object:
    # A JWT-SVID need not name its issuer: it is the trust domain of its subject, where that is one that we trust.
    return claims["iss"] if "iss" in claims else spiffe.trust_domain(claims.get("sub"))


def require(trust: Trust, use: Use) -> Trust:
    """The same issuer, if it is trusted for this use. Raises `OAuthError`."""
    if use.value not in trust.accepts:
        raise OAuthError(Reason.ISSUER_NOT_FOR_THIS, detail=use.value)
    return trust


def keys_for(trust: Trust, token: Unverified) -> tuple[Key, ...]:
    """The issuer's keys, asked for anew if the token names one that is not among them; not inside `unit_of_work()`.
    Raises `OAuthError`.
    """
    if trust.keys and (not trust.jwks_uri or _is_signed_by(trust.keys, token)):
        return trust.keys
    found = (*trust.keys, *_published(trust, token))
    if not found:
        raise OAuthError(Reason.ISSUER_KEYS_UNAVAILABLE, detail=_no_keys(trust), retry_after=RETRY_SECONDS)
    return found


def passed_over(trust: Trust) -> tuple[str, ...]:
    """The keys of the issuer that do not count, and why, as far as they have been seen: a sentence each."""
    try:
        jwks_uri = "" if trust.keys and not trust.jwks_uri else trust.jwks_uri or discovery.jwks_uri(trust.issuer)
    except DocumentUnavailableError:
        jwks_uri = ""
    health = remote_keys.health(jwks_uri) if jwks_uri else None
    return (*trust.passed_over, *(health.passed_over if health else ()))


def _no_keys(trust: Trust) -> str:
    return "; ".join(("no_usable_key", *passed_over(trust)))


def _is_signed_by(keys: tuple[Key, ...], token: Unverified) -> bool:
    try:
        jwts.verify(token, keys, typ=None)
    except JwtError:
        return False
    return True


def _published(trust: Trust, token: Unverified) -> tuple[Key, ...]:
    try:
        jwks_uri = trust.jwks_uri or discovery.jwks_uri(trust.issuer)
        try:
            found = remote_keys.keys(jwks_uri, Role.ISSUER_KEYS, kid=token.kid)
        except DocumentUnavailableError:
            _note_health(trust, jwks_uri)
            raise
        # Looking costs as much as verifying a signature, and what there is to see changes with fetches alone.
        if _looked.get(trust.pk, 0.0) + LOOK_INTERVAL <= time.monotonic():
            _note_health(trust, jwks_uri)
        return found
    except DocumentOnItsWayError as error:
        # Nothing is wrong with the assertion: told `invalid_grant`, its client would throw it away.
        raise OAuthError(Reason.ISSUER_KEYS_ON_THEIR_WAY, detail=str(error), retry_after=1) from None
    except DocumentUnreachableError as error:
        # Nor is anything known to be wrong while the issuer's host does not answer: it is no one's refusal.
        raise OAuthError(Reason.ISSUER_KEYS_UNREACHABLE, detail=str(error), retry_after=error.retry_after) from None
    except DocumentUnavailableError as error:
        # Whatever keeps them from us is no fault of who presents the assertion: told `invalid_grant`, it gives up.
        raise OAuthError(Reason.ISSUER_KEYS_UNAVAILABLE, detail=str(error), retry_after=RETRY_SECONDS) from None


# By issuer: when its keys were last fetched or last failed to be, as this process has written it down; and when it
# last looked (by the monotonic clock).
_noted: dict[int, tuple[float, float]] = {}
_looked: dict[int, float] = {}
LOOK_INTERVAL = 5.0
RETRY_SECONDS = 30  # when it is worth while to come again, where nothing says it better


def _note_health(trust: Trust, jwks_uri: str) -> None:
    """Write down how the keys are, for the console, whenever a fetch was made. No request waits for it in the loop."""
    _looked[trust.pk] = time.monotonic()
    afterwards.do(("issuer health", trust.pk), lambda: _write_health(trust, jwks_uri))


def _write_health(trust: Trust, jwks_uri: str) -> None:
    health = remote_keys.health(jwks_uri)
    if health is None or _noted.get(trust.pk) == (health.fetched, health.failed):
        return
    _noted[trust.pk] = (health.fetched, health.failed)
    try:
        IssuerHealth.objects.update_or_create(
            issuer_id=trust.pk,
            defaults={
                "fetched": _moment(health.fetched),
                "next_fetch": _moment(health.fresh_until),
                "failures": health.failures,
                "failed": _moment(health.failed),
                "failure": health.failure[:64],
                "keys": health.keys,
                "passed_over": list(health.passed_over),
            },
        )
    except DatabaseError:
        # The line in the console is a service; a request must not fail for it.
        _noted.pop(trust.pk, None)


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
