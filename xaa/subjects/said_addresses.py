"""Which address an assertion says for a person, and whether it is believed. Pure; one rule for every way in.

> `email_verified`: True if the End-User's e-mail address has been verified; otherwise false. (OpenID Connect Core §5.1)

Some issuers write the word as a text (Amazon Cognito, Apple), and some leave it out, because all of their addresses are
theirs to give (Okta's ID-JAGs, Entra ID). Silence is believed only where an administrator says so, for the domains that
the issuer may speak for: an issuer that could speak for every domain could sign in as any person (attack 23).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import idna

from authz.protocol import email_addresses, host_patterns


class Unused(StrEnum):
    """Why an address that an assertion says finds no person."""

    UNVERIFIED = "unverified"
    FOREIGN_DOMAIN = "foreign_domain"
    TENANT = "tenant_not_named"
    NOT_MATCHED = "not_matched_by_address"


@dataclass(frozen=True, slots=True)
class Address:
    """The address as it was said, `""` where there is none; `unused`: why it is not believed, None if it is."""

    text: str
    unused: Unused | None = None


def read(claims: Mapping[str, Any], *, is_trusted: bool = False, domains: Sequence[str] = ()) -> Address:
    """`is_trusted`: the issuer's silence about verification is believed. `domains`: it may speak for no other."""
    said = claims.get("email")
    if not isinstance(said, str) or not email_addresses.is_address(said):
        return Address("")
    if not _is_verified(claims.get("email_verified"), is_trusted and bool(domains)):
        return Address(said, Unused.UNVERIFIED)
    if domains and not host_patterns.matches(domains, _domain(said)):
        return Address(said, Unused.FOREIGN_DOMAIN)
    return Address(said)


def _is_verified(word: object, is_silence_trusted: bool) -> bool:
    if word is None:
        return is_silence_trusted
    # `true` and "true" mean one thing; a number, another word or a list means neither.
    return word is True or (isinstance(word, str) and word.strip().lower() == "true")


def _domain(address: str) -> str:
    """As administrators write domains: in small letters, in the ASCII form if it is an internationalised one."""
    domain = host_patterns.normal(address.rpartition("@")[2])
    try:
        # Label by label: `idna.encode` takes other full stops for a dot, too.
        return ".".join(label if label.isascii() else idna.alabel(label).decode() for label in domain.split("."))
    except idna.IDNAError:
        return ""
