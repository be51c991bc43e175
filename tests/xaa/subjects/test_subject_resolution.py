"""Subject resolution: the rules, as tables."""

from typing import Any

import pytest

from authz.protocol.errors import OAuthError
from xaa.reasons import Reason
from xaa.subjects import said_addresses
from xaa.subjects.said_addresses import Unused
from xaa.subjects.said_groups import MAXIMUM_GROUPS, Silence
from xaa.subjects.subject_resolution import Candidate, Identity, choose, identity, membership
from xaa.trusted_issuers import Trust

BOB, LINKED_BOB, CHARLIE = Candidate(1, False), Candidate(1, True), Candidate(2, False)


def trust(**changes: Any) -> Trust:
    values: dict[str, Any] = {
        "pk": 1,
        "issuer": "https://idp.example",
        "name": "",
        "enabled": True,
        "jwks_uri": "",
        "accepts": frozenset({"id-jag"}),
        "match": ("sub", "email"),
        "create": False,
        "groups_claim": "",
        "tenants": (),
        "client_ids": {},
        "trusted_audiences": (),
        "workloads": (),
    }
    return Trust(**values | changes)


def who(**changes: Any) -> Identity:
    return Identity(**{"tenant": "", "subject": "s", "email": "bob@example.com", "groups": ()} | changes)


CREATES = {"create": True}
UNVERIFIED = {"email": "", "unused_email": "bob@example.com", "unused": Unused.UNVERIFIED}
FOREIGN = UNVERIFIED | {"unused": Unused.FOREIGN_DOMAIN}
ROWS: list[tuple[str, dict[str, Any], dict[str, Any], tuple[Candidate, ...], int | Reason | None]] = [
    ("a verified address", {}, {}, (BOB,), 1),
    ("an unknown address", {}, {}, (), Reason.SUBJECT_NOT_LINKED),
    ("an address that is not verified", {}, {"email": ""}, (), Reason.SUBJECT_NOT_LINKED),
    ("an unverified address of a person", {}, UNVERIFIED, (BOB,), Reason.SUBJECT_ADDRESS_UNUSED),
    ("an unverified address of a person, and creation", CREATES, UNVERIFIED, (BOB,), Reason.SUBJECT_ADDRESS_UNUSED),
    ("an unknown unverified address, and creation", CREATES, UNVERIFIED, (), None),
    ("a foreign address of a person, and creation", CREATES, FOREIGN, (BOB,), Reason.SUBJECT_ADDRESS_UNUSED),
    ("an unknown foreign address", {}, FOREIGN, (), Reason.SUBJECT_NOT_LINKED),
    (
        "an unverified address of a person, by an issuer that isn't matched by address",
        CREATES | {"match": ("sub",)},
        UNVERIFIED,
        (BOB,),
        None,
    ),
    ("an address where it is not named", {"match": ("sub",)}, {}, (BOB,), Reason.SUBJECT_NOT_LINKED),
    ("an address where nothing is named", {"match": ()}, {}, (BOB,), Reason.SUBJECT_NOT_LINKED),
    ("an address of two people", {}, {}, (BOB, CHARLIE), Reason.SUBJECT_AMBIGUOUS),
    ("an address of two people, and creation", CREATES, {}, (BOB, CHARLIE), Reason.SUBJECT_AMBIGUOUS),
    ("a recycled address", {}, {}, (LINKED_BOB,), Reason.SUBJECT_LINKED_OTHERWISE),
    ("a recycled address, and creation", CREATES, {}, (LINKED_BOB,), Reason.SUBJECT_LINKED_OTHERWISE),
    ("an unknown subject, and creation", CREATES, {}, (), None),
    ("an unnamed address, and creation", CREATES | {"match": ("sub",)}, {}, (BOB,), None),
    ("a tenant that is not named", {}, {"tenant": "evil"}, (BOB,), Reason.SUBJECT_NOT_LINKED),
    ("a tenant that is not named, and creation", CREATES, {"tenant": "evil"}, (BOB,), None),
    ("a tenant that is named", {"tenants": ("acme",)}, {"tenant": "acme"}, (BOB,), 1),
]


@pytest.mark.parametrize(
    ("configured", "said", "candidates", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_who_an_identity_is_linked_to(
    configured: dict[str, Any], said: dict[str, Any], candidates: tuple[Candidate, ...], expected: int | Reason | None
) -> None:
    try:
        chosen: object = choose(trust(**configured), who(**said), candidates)
    except OAuthError as error:
        chosen = error.reason
    assert chosen is expected if isinstance(expected, Reason) else chosen == expected


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "bob@example.com", "email_verified": True}, "bob@example.com"),
        ({"email": "bob@example.com"}, ""),
        ({"email": "bob@example.com", "email_verified": "true"}, "bob@example.com"),
        ({"email": "bob@example.com", "email_verified": 1}, ""),
        ({"email": ["bob@example.com"], "email_verified": True}, ""),
        ({"email": "", "email_verified": True}, ""),
        ({"email": "b" * 300, "email_verified": True}, ""),
        ({"email_verified": True}, ""),
    ],
)
def test_an_address_counts_only_if_it_is_verified(claims: dict[str, Any], email: str) -> None:
    assert identity({"sub": "s", **claims}, "").email == email


BOBS = "bob@acme.com"
OURS: dict[str, Any] = {"is_trusted": True, "domains": ("acme.com", "*.acme.org")}


@pytest.mark.parametrize(
    ("address", "word", "configured", "unused"),
    [
        (BOBS, True, {}, None),
        (BOBS, "true", {}, None),
        (BOBS, "True", {}, None),
        (BOBS, "TRUE", {}, None),
        (BOBS, " true ", {}, None),
        (BOBS, None, {}, Unused.UNVERIFIED),
        (BOBS, False, {}, Unused.UNVERIFIED),
        (BOBS, "false", {}, Unused.UNVERIFIED),
        (BOBS, 1, {}, Unused.UNVERIFIED),
        (BOBS, "1", {}, Unused.UNVERIFIED),
        (BOBS, "yes", {}, Unused.UNVERIFIED),
        (BOBS, "", {}, Unused.UNVERIFIED),
        (BOBS, [True], {}, Unused.UNVERIFIED),
        (BOBS, {"value": True}, {}, Unused.UNVERIFIED),
        # An issuer whose addresses are its own to give.
        (BOBS, None, OURS, None),
        ("Bob@ACME.com", None, OURS, None),
        ("bob@mail.acme.org", None, OURS, None),
        ("bob@acme.org", None, OURS, Unused.FOREIGN_DOMAIN),
        (BOBS, False, OURS, Unused.UNVERIFIED),  # it says no
        (BOBS, "no", OURS, Unused.UNVERIFIED),
        ("alice@example.com", None, OURS, Unused.FOREIGN_DOMAIN),
        ("alice@example.com", True, OURS, Unused.FOREIGN_DOMAIN),
        ("alice@evilacme.com", None, OURS, Unused.FOREIGN_DOMAIN),
        ("alice@acme.com.evil.example", None, OURS, Unused.FOREIGN_DOMAIN),
        ("alice@acme\u3002com", None, OURS, Unused.FOREIGN_DOMAIN),
        ("alice@\u0430cme.com", None, OURS, Unused.FOREIGN_DOMAIN),  # a Cyrillic a
        ("bob@b\u00fccher.example", None, {"is_trusted": True, "domains": ("xn--bcher-kva.example",)}, None),
        (BOBS, None, {"is_trusted": True}, Unused.UNVERIFIED),  # for no domain at all
        (BOBS, True, {"domains": ("acme.com",)}, None),
        (BOBS, None, {"domains": ("acme.com",)}, Unused.UNVERIFIED),
        ("alice@example.com", True, {"domains": ("acme.com",)}, Unused.FOREIGN_DOMAIN),
    ],
)
def test_which_addresses_are_believed(
    address: str, word: Any, configured: dict[str, Any], unused: Unused | None
) -> None:
    claims = {"email": address} | ({} if word is None else {"email_verified": word})
    assert said_addresses.read(claims, **configured) == said_addresses.Address(address, unused)


@pytest.mark.parametrize(
    ("said", "expected", "silence"),
    [
        (["b", "a", "a"], ("a", "b"), None),
        ([], (), None),
        ("admins", ("admins",), None),
        (None, (), Silence.ABSENT),
        ({"admins": True}, (), Silence.UNREADABLE),
        (["a", 1, None, "", "x" * 151], (), Silence.UNREADABLE),
        ([str(number) for number in range(MAXIMUM_GROUPS + 1)], (), Silence.TOO_MANY),
    ],
)
def test_an_identity_has_the_groups_that_were_said_or_says_why_not(
    said: Any, expected: tuple[str, ...], silence: Silence | None
) -> None:
    found = identity({"sub": "s", "groups": said}, "groups")
    assert (found.groups, found.silence) == (expected, silence)
    without = identity({"sub": "s", "groups": said}, "")
    assert (without.groups, without.silence) == ((), None)


@pytest.mark.parametrize(
    ("now", "given", "says", "elsewhere", "expected"),
    [
        ("", "", "a", "", "a"),
        ("a", "", "", "", "a"),
        ("a", "a", "", "", ""),
        ("ab", "a", "", "", "b"),
        ("ab", "a", "c", "", "bc"),
        ("ab", "ab", "b", "", "b"),
        ("a", "a", "", "a", "a"),
        ("ab", "ab", "", "b", "b"),
        ("a", "", "a", "", "a"),
        ("abc", "bc", "c", "b", "abc"),
    ],
)
def test_who_leaves_by_an_issuers_word(now: str, given: str, says: str, elsewhere: str, expected: str) -> None:
    assert membership(now, given, says, elsewhere) == tuple(expected)
