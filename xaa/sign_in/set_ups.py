"""The set-up of an issuer that is to be tested: its row as it is, or with the change that waits for a test."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from authz.keys.secrets_at_rest import WrongKeyError, key_for
from authz.models import User
from authz.protocol import jwks
from xaa import trusted_issuers
from xaa.models import ProposedSetUp, SignInClient, SignInTest, TrustedIssuer
from xaa.sign_in import secret
from xaa.trusted_issuers import SignIn, Trust

PURPOSE = "tested set-ups"
# What decides who signs in, and how: a change of one of these is tested before it counts.
TOUCHES_SIGN_IN = (
    "issuer", "enabled", "jwks_uri", "jwks", "accepts", "match", "create", "groups_claim", "tenants", "email_trusted",
    "email_domains",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What a test sign-in is made with. `digest` names all of it, and its secret."""

    trust: Trust
    client_id: str
    secret: str
    scopes: tuple[str, ...]

    @property
    def digest(self) -> str:
        trust = self.trust
        parts = [
            trust.issuer, trust.jwks_uri, [key.kid for key in trust.keys], sorted(trust.accepts), sorted(trust.match),
            trust.create, trust.groups_claim, trust.tenants, trust.email_trusted, trust.email_domains,
            self.client_id, self.secret, self.scopes,
        ]  # fmt: skip
        # A MAC, since the secret is in it.
        return hmac.new(key_for(PURPOSE), json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def tested(row: TrustedIssuer) -> Tested | None:
    """The set-up that a test sign-in of the issuer tries; None where it is to sign no one in."""
    trust = trusted_issuers.cached().get(row.issuer)
    if trust is None:
        return None
    change = proposed(row)
    if change is None:
        client = SignInClient.objects.filter(issuer=row).first()
        sign_in = trust.sign_in
        plain = _opened(client)
    else:
        trust = _changed(trust, change.values)
        sign_in = SignIn(change.sign_in["client_id"], tuple(change.sign_in["scopes"]))
        plain = _opened(change if change.secret else SignInClient.objects.filter(issuer=row).first())
    if sign_in is None:
        return None
    return Tested(
        trust=replace(trust, sign_in=sign_in), client_id=sign_in.client_id, secret=plain, scopes=sign_in.scopes
    )


def proposed(row: TrustedIssuer) -> ProposedSetUp | None:
    """The change that waits for a test."""
    return ProposedSetUp.objects.filter(issuer=row).first()


def was_tested(row: TrustedIssuer) -> SignInTest | None:
    """The test that speaks for the set-up as it is now; None if there is none, or something has changed since."""
    found, now = SignInTest.objects.filter(issuer=row).first(), tested(row)
    return found if found is not None and now is not None and hmac.compare_digest(found.digest, now.digest) else None


def note_tested(row: TrustedIssuer, digest: str, by: User) -> None:
    values = {"digest": digest, "by": by.username, "at": datetime.now(UTC)}
    SignInTest.objects.update_or_create(issuer=row, defaults=values)


def _opened(kept: SignInClient | ProposedSetUp | None) -> str:
    """The secret in clear; "" for none, and for one that is of another key: a test with it fails, and says so."""
    try:
        return secret.opened(kept) if kept is not None else ""
    except WrongKeyError:
        return ""


def _changed(trust: Trust, values: Mapping[str, Any]) -> Trust:
    """The trust as it will be, in what signing in depends on."""
    as_tuples = {name: tuple(values[name]) for name in ("match", "tenants", "email_domains") if name in values}
    plain = {
        name: values[name]
        for name in ("issuer", "enabled", "jwks_uri", "create", "groups_claim", "email_trusted")
        if name in values
    }
    changes: dict[str, Any] = {**as_tuples, **plain}
    if "accepts" in values:
        changes["accepts"] = frozenset(values["accepts"])
    if "jwks" in values:
        changes["keys"] = jwks.read(values["jwks"] or {"keys": []}).keys
    return replace(trust, **changes)
