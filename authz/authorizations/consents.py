"""Remembered consent: for the client, resource and scopes that a person was shown, and where the answer went."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authz.models import Client, Consent, ProtectedResource, User
from authz.protocol import redirect_uris


def origin_of(redirect_uri: str) -> str:
    """The redirect URI's scheme and host, as the person was shown; another one asks again."""
    shown = redirect_uris.display(redirect_uri)
    return f"{shown.scheme}://{shown.host}"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a person allowed, and what they unticked, when they were asked before."""

    allowed: frozenset[str] = frozenset()
    declined: frozenset[str] = frozenset()

    def unanswered(self, scopes: Collection[str]) -> frozenset[str]:
        """Of these, those that the person has not been asked for yet."""
        return frozenset(scopes) - self.allowed - self.declined


def remembered(
    *, user: User, client: Client, resource: ProtectedResource | None, redirect_uri: str, is_proven: bool
) -> Remembered:
    """The person's answers to this client as it is now.

    A client that is not proven to be itself (`is_proven`) has been allowed nothing. What was declined stays declined.
    """
    row = Consent.objects.filter(
        user=user, client=client, resource=resource, redirect_origin=origin_of(redirect_uri)
    ).first()
    if row is None or row.client_digest != client.consent_digest:
        return Remembered()
    return Remembered(frozenset(row.scopes if is_proven else ()), frozenset(row.declined or ()))


def remember(
    *,
    user: User,
    client: Client,
    resource: ProtectedResource | None,
    redirect_uri: str,
    allowed: Sequence[str],
    declined: Sequence[str],
    now: datetime,
) -> None:
    """Keep an answer. What was answered before to the same client as it is now stays, unless this answers it anew.
    Inside `unit_of_work()`."""
    origin = origin_of(redirect_uri)
    key: dict[str, Any] = {"user": user, "client": client, "resource": resource, "redirect_origin": origin}
    before = Consent.objects.filter(**key, client_digest=client.consent_digest).first()
    earlier, earlier_declined = (before.scopes, before.declined or ()) if before else ((), ())
    together = [name for name in dict.fromkeys([*earlier, *allowed]) if name not in declined]
    left_out = [name for name in dict.fromkeys([*earlier_declined, *declined]) if name not in allowed]
    Consent.objects.update_or_create(
        **key,
        defaults={
            "client_digest": client.consent_digest,
            "scopes": together,
            "declined": left_out or None,
            "given": now,
        },
    )
