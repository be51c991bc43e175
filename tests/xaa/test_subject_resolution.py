"""Whom an assertion speaks of: the rules, as tables."""

from typing import Any

import pytest

from authz.protocol.errors import OAuthError
from xaa.reasons import Reason
from xaa.said_groups import MAXIMUM_GROUPS, Silence
from xaa.subject_resolution import Candidate, Identity, choose, identity, membership
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
        "workloads": (),
    }
    return Trust(**values | changes)


def who(**changes: Any) -> Identity:
    return Identity(**{"tenant": "", "subject": "s", "email": "bob@example.com", "groups": ()} | changes)


CREATES = {"create": True}
ROWS: list[tuple[str, dict[str, Any], dict[str, Any], tuple[Candidate, ...], int | Reason | None]] = [
    ("a verified address", {}, {}, (BOB,), 1),
    ("an address that nobody has", {}, {}, (), Reason.SUBJECT_NOT_LINKED),
    ("an address that is not verified", {}, {"email": ""}, (), Reason.SUBJECT_NOT_LINKED),
    ("an address where it is not named", {"match": ("sub",)}, {}, (BOB,), Reason.SUBJECT_NOT_LINKED),
    ("an address where nothing is named", {"match": ()}, {}, (BOB,), Reason.SUBJECT_NOT_LINKED),
    ("an address of two people", {}, {}, (BOB, CHARLIE), Reason.SUBJECT_AMBIGUOUS),
    ("an address of two people, and creation", CREATES, {}, (BOB, CHARLIE), Reason.SUBJECT_AMBIGUOUS),
    ("a recycled address", {}, {}, (LINKED_BOB,), Reason.SUBJECT_LINKED_OTHERWISE),
    ("a recycled address, and creation", CREATES, {}, (LINKED_BOB,), Reason.SUBJECT_LINKED_OTHERWISE),
    ("nobody, and creation", CREATES, {}, (), None),
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
        ({"email": "bob@example.com", "email_verified": "true"}, ""),
        ({"email": "bob@example.com", "email_verified": 1}, ""),
        ({"email": ["bob@example.com"], "email_verified": True}, ""),
        ({"email": "", "email_verified": True}, ""),
        ({"email": "b" * 300, "email_verified": True}, ""),
        ({"email_verified": True}, ""),
    ],
)
def test_an_address_counts_only_if_it_is_verified(claims: dict[str, Any], email: str) -> None:
    assert identity({"sub": "s", **claims}, "").email == email


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
