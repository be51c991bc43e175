"""Remembered consent: for the client, resource and scopes that a person was shown, and where the answer went."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from authz.models import Client, Consent, ProtectedResource, User
from authz.protocol import redirect_uris


def origin_of(redirect_uri: str) -> str:
    """The redirect URI's scheme and host, as the person was shown; another one asks again."""
    shown = redirect_uris.display(redirect_uri)
    return f"{shown.scheme}://{shown.host}"


def covers(
    *, user: User, client: Client, resource: ProtectedResource | None, redirect_uri: str, scopes: Sequence[str]
) -> bool:
    """Whether the person has allowed all of it, to this client as it is now."""
    consent = Consent.objects.filter(
        user=user, client=client, resource=resource, redirect_origin=origin_of(redirect_uri)
    ).first()
    if consent is None or consent.client_digest != client.consent_digest:
        return False
    return set(scopes) <= set(consent.scopes)


def remember(
    *,
    user: User,
    client: Client,
    resource: ProtectedResource | None,
    redirect_uri: str,
    scopes: Sequence[str],
    now: datetime,
) -> None:
    """Keep a consent; what was allowed before to the same client as it is now stays allowed. Inside
    `unit_of_work()`."""
    origin = origin_of(redirect_uri)
    key: dict[str, Any] = {"user": user, "client": client, "resource": resource, "redirect_origin": origin}
    before = Consent.objects.filter(**key, client_digest=client.consent_digest).first()
    together = list(dict.fromkeys([*(before.scopes if before else []), *scopes]))
    Consent.objects.update_or_create(
        **key, defaults={"client_digest": client.consent_digest, "scopes": together, "given": now}
    )
