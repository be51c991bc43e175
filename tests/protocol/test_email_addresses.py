"""When two addresses are one: a table of those that only look the same."""

import pytest

from authz.protocol import email_addresses

SAME = [
    ("victim@example.com", "victim@example.com"),
    ("Victim@Example.COM", "victim@example.com"),
    ("ÄNNE@example.com", "änne@example.com"),
    ("юлия@example.com", "ЮЛИЯ@example.com"),
    ("a.b+c@example.com", "A.B+C@EXAMPLE.com"),
    ("straße@example.com", "straße@Example.com"),
]
OTHERS = [
    ("vıctim@example.com", "victim@example.com"),  # dotless i, which PostgreSQL's UPPER() makes an I
    ("VICTİM@example.com", "victim@example.com"),  # I with a dot
    ("boſs@example.com", "boss@example.com"),  # long s
    ("\N{KELVIN SIGN}ate@example.com", "kate@example.com"),
    ("\N{ANGSTROM SIGN}ke@example.com", "åke@example.com"),
    ("straße@example.com", "strasse@example.com"),
    ("\N{LATIN SMALL LIGATURE FI}na@example.com", "fina@example.com"),
    ("ｖictim@example.com", "victim@example.com"),  # full width
    ("victim＠example.com", "victim@example.com"),
    ("e\N{COMBINING ACUTE ACCENT}va@example.com", "éva@example.com"),
    ("victim\N{ZERO WIDTH SPACE}@example.com", "victim@example.com"),
    ("νίκος@example.com", "νίκοσ@example.com"),  # the two lower sigmas
    ("victim+a@example.com", "victim@example.com"),
    ("v.ictim@example.com", "victim@example.com"),
    ("victim@example.com ", "victim@example.com"),
    ("victim@example.com.", "victim@example.com"),
    ("", ""),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same(one: str, other: str) -> None:
    assert email_addresses.are_same(one, other)
    assert email_addresses.are_same(other, one)
    assert email_addresses.key(one) == email_addresses.key(other), "or a look-up would miss it"


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_another_mailbox(one: str, other: str) -> None:
    assert not email_addresses.are_same(one, other)
    assert not email_addresses.are_same(other, one)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("a@b", True),
        ("änne@example.com", True),
        ("a@b@c", False),
        ("@b", False),
        ("a@", False),
        ("a b@c", False),
        ("a@b\n", False),
        ("a\0@b", False),
        ("a\N{ZERO WIDTH SPACE}@b", False),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}@b", False),
        ("a\ud800@b", False),
        ("a" * 253 + "@b", False),
    ],
)
def test_what_stands_as_an_address(text: str, is_one: bool) -> None:
    assert email_addresses.is_address(text) is is_one
