"""Whom an assertion speaks of: the rules, as tables."""

from typing import Any

import pytest

from authz.protocol.errors import OAuthError
from xaa.reasons import Reason
from xaa.subject_resolution import MAXIMUM_GROUPS, Candidate, Identity, choose, groups, identity
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
    ("said", "expected"),
    [
        (["b", "a", "a"], ("a", "b")),
        ([], ()),
        (None, ()),
        ("admins", ()),
        ({"admins": True}, ()),
        (["a", 1, None, "", "x" * 151], ("a",)),
    ],
)
def test_groups_are_a_list_of_names(said: Any, expected: tuple[str, ...]) -> None:
    assert groups({"groups": said}, "groups") == expected
    assert groups({}, "groups") == ()


def test_groups_are_bounded() -> None:
    assert len(groups({"groups": [str(n) for n in range(1000)]}, "groups")) == MAXIMUM_GROUPS
