"""A change of an issuer that signs people in waits for a test: kept beside the row, then taken into force or discarded.

Until then the issuer's row is what counts.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authz.models import User
from xaa.configuration import sign_in
from xaa.configuration import trusted_issuers as section
from xaa.models import ProposedSetUp, SignInClient, TrustedIssuer
from xaa.sign_in import secret
from xaa.sign_in.set_ups import TOUCHES_SIGN_IN

_CLIENT_LABELS = {
    "client_id": "client ID",
    "scopes": "scopes",
    "vouches": "second factor vouched for by",
    "logout_ends": "its logout ends",
}
CLIENT_FIELDS = frozenset({"sign_in_client_id", "sign_in_secret", "sign_in_scopes"})


class ChangedMeanwhileError(Exception):
    """The issuer is not as it was when the change was made, or another has taken or discarded the change."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a change, as people read it."""

    field: str
    before: str
    after: str


def touches_sign_in(changed: list[str]) -> bool:
    """Whether a form that changed these fields changes who signs in, or how."""
    return bool((CLIENT_FIELDS | set(TOUCHES_SIGN_IN)) & set(changed))


def keep(row: TrustedIssuer, values: Mapping[str, Any], given: Mapping[str, Any], by: User) -> None:
    """Keep a change. `row` is as the form has changed it; `values` are its changed columns, `given` all of the form."""
    stored = TrustedIssuer.objects.select_related("sign_in").get(pk=row.pk)
    client = {"client_id": given["sign_in_client_id"], **client_values(given)}
    ProposedSetUp.objects.update_or_create(
        issuer=stored,
        defaults={
            "values": dict(values),
            "sign_in": client,
            "secret": secret.sealed(given["sign_in_secret"], row.pk),
            "base": _digest(stored),
            "by": by.username,
            "at": datetime.now(UTC),
        },
    )


def client_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the sign-in client that a form gives, but for its id and its secret."""
    return {
        "scopes": list(given["sign_in_scopes"]),
        "vouches": list(given["sign_in_vouches"]),
        "logout_ends": given["sign_in_logout_ends"] or SignInClient.LogoutEnds.SIGN_IN.value,
    }


def differences(change: ProposedSetUp) -> Iterator[Difference]:
    """What the change changes. A secret is named, never shown."""
    row = change.issuer
    for name, after in change.values.items():
        yield Difference(name.replace("_", " "), _shown(getattr(row, name)), _shown(after))
    client = getattr(row, "sign_in", None)
    for name, label in _CLIENT_LABELS.items():
        # A change that an earlier version kept says nothing of some.
        if name in change.sign_in and (before := getattr(client, name, "")) != change.sign_in[name]:
            yield Difference(label, _shown(before), _shown(change.sign_in[name]))
    if change.secret:
        yield Difference("client secret", "", "another one")


def problem(change: ProposedSetUp) -> str:
    """Why no person could sign in once the change is in force; "" if one could."""
    row, values = change.issuer, change.values

    def then(name: str) -> Any:
        return values.get(name, getattr(row, name))

    found = sign_in.problem(
        then("issuer"),
        enabled=then("enabled"),
        accepts=then("accepts"),
        scopes=change.sign_in["scopes"],
        match=then("match"),
        create=then("create"),
    )
    return found.sentence if found else ""


def apply(change: ProposedSetUp) -> list[str]:
    """Take the change into force; the names of the changed fields. Inside `unit_of_work()`.

    Raises ChangedMeanwhileError.
    """
    row = TrustedIssuer.objects.select_for_update().filter(pk=change.pk).first()
    # The one statement that says whose decision counts, of two at the same moment.
    taken, _ = ProposedSetUp.objects.filter(pk=change.pk, at=change.at, base=change.base).delete()
    if row is None or not taken or _digest(row) != change.base:
        raise ChangedMeanwhileError
    for name, value in change.values.items():
        setattr(row, name, value)
    row.save()
    values = dict(change.sign_in)
    if change.secret:
        values["secret"] = bytes(change.secret)
    SignInClient.objects.update_or_create(issuer=row, defaults=values)
    return [*change.values, *(["client secret"] if change.secret else [])]


def discard(change: ProposedSetUp) -> bool:
    """False: it was taken or discarded already."""
    taken, _ = ProposedSetUp.objects.filter(pk=change.pk, at=change.at).delete()
    return bool(taken)


def _digest(row: TrustedIssuer) -> str:
    item = section.as_item(TrustedIssuer.objects.select_related("sign_in").get(pk=row.pk))
    return hashlib.sha256(json.dumps(item, sort_keys=True, default=str).encode()).hexdigest()


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "—" if value in (None, "", {}) else str(value)[:300]
