"""Subject identifiers of RFC 9493 and SSF: read, written, and matched."""

from typing import Any

import pytest

from xaa.signals.subjects import (
    Account,
    Aliases,
    Complex,
    Email,
    Foreign,
    IssSub,
    Opaque,
    Subject,
    SubjectError,
    as_json,
    match,
    read,
    simple_parts,
)

IDP = "https://idp.example.com/123456789/"
# The examples of RFC 9493 §3.2 and SSF 1.0 §3.
EXAMPLES: list[dict[str, Any]] = [
    {"format": "account", "uri": "acct:example.user@service.example.com"},
    {"format": "email", "email": "user@example.com"},
    {"format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573"},
    {"format": "opaque", "id": "11112222333344445555"},
    {"format": "phone_number", "phone_number": "+12065550100"},
    {"format": "phone_number", "phone_number": "+1 206 555 0123"},
    {"format": "did", "url": "did:example:123456/did/url/path?versionId=1"},
    {"format": "uri", "uri": "urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f"},
    {"format": "jwt_id", "iss": IDP, "jti": "B70BA622-9515-4353-A866-823539EECBC8"},
    {"format": "saml_assertion_id", "issuer": IDP, "assertion_id": "_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6"},
    {"format": "ip-addresses", "ip-addresses": ["10.29.37.75", "2001:0db8:0000:0000:0000:8a2e:0370:7334"]},
    {
        "format": "aliases",
        "identifiers": [
            {"format": "email", "email": "user@example.com"},
            {"format": "phone_number", "phone_number": "+12065550100"},
        ],
    },
    {
        "format": "complex",
        "session": {"format": "opaque", "id": "dMTlD|1600802906337.16|16008.16"},
        "user": {"format": "iss_sub", "iss": IDP, "sub": "99beb27c-c1c2-4955-882a-e0dc4996fcbc"},
        "tenant": {"format": "opaque", "id": "123456789"},
    },
]
WRONG: list[tuple[str, object]] = [
    ("nothing", None),
    ("a text", "user@example.com"),
    ("a list", []),
    ("no format", {"email": "user@example.com"}),
    ("a format that is no text", {"format": 7}),
    ("a member is missing", {"format": "iss_sub", "iss": IDP}),
    ("a member is empty", {"format": "opaque", "id": ""}),
    ("a member is a number", {"format": "opaque", "id": 7}),
    ("a member is too long", {"format": "opaque", "id": "x" * 1025}),
    ("an address that is none", {"format": "email", "email": "user"}),
    ("two addresses", {"format": "email", "email": "a@example.com,b@example.com"}),
    ("an account that is none", {"format": "account", "uri": "https://example.com"}),
    ("a DID that is none", {"format": "did", "url": "https://example.com"}),
    ("a URI that is none", {"format": "uri", "uri": "example"}),
    ("no alias", {"format": "aliases", "identifiers": []}),
    ("too many aliases", {"format": "aliases", "identifiers": [{"format": "opaque", "id": "x"}] * 21}),
    ("aliases in aliases", {"format": "aliases", "identifiers": [EXAMPLES[11]]}),
    ("a complex subject of nothing", {"format": "complex"}),
    ("complex in complex", {"format": "complex", "user": EXAMPLES[12]}),
    ("complex in aliases", {"format": "aliases", "identifiers": [EXAMPLES[12]]}),
    ("a member that is no subject", {"format": "complex", "user": "alice"}),
    ("addresses that are none", {"format": "ip-addresses", "ip-addresses": "10.0.0.1"}),
]


@pytest.mark.parametrize("said", EXAMPLES, ids=lambda said: str(said["format"]))
def test_what_is_read_is_written_the_same(said: dict[str, Any]) -> None:
    assert as_json(read(said)) == said


@pytest.mark.parametrize("said", [said for _, said in WRONG], ids=[name for name, _ in WRONG])
def test_a_subject_that_is_none_is_refused(said: object) -> None:
    with pytest.raises(SubjectError):
        read(said)


def test_members_beside_the_format_s_own_are_passed_over() -> None:
    assert read({"format": "email", "email": "user@example.com", "id": "7"}) == Email("user@example.com")


def test_a_format_of_others_is_known_as_that() -> None:
    assert read({"format": "catalog_item", "catalog_id": "c0384"}) == Foreign("catalog_item")
    said = read({"format": "aliases", "identifiers": [{"format": "catalog_item"}, {"format": "opaque", "id": "7"}]})
    assert said == Aliases((Foreign("catalog_item"), Opaque("7")))


def test_the_older_name_of_the_format_is_read() -> None:
    assert read({"subject_type": "iss-sub", "iss": IDP, "sub": "7"}) == IssSub(IDP, "7")


def test_an_account_has_the_form_of_an_address() -> None:
    assert Account("acct:alice@example.com").address == "alice@example.com"


def test_each_identifier_comes_with_its_place() -> None:
    both = Aliases((IssSub(IDP, "7"), Email("a@example.com")))
    assert list(simple_parts(both)) == [("", IssSub(IDP, "7")), ("", Email("a@example.com"))]
    assert list(simple_parts(Complex({"user": both, "tenant": Opaque("t")}))) == [
        ("user", IssSub(IDP, "7")),
        ("user", Email("a@example.com")),
        ("tenant", Opaque("t")),
    ]


USER, OTHER, TENANT = Email("a@example.com"), Email("b@example.com"), Opaque("t")
MATCHES: list[tuple[Subject, Subject, bool]] = [
    (USER, USER, True),
    (USER, OTHER, False),
    (USER, Email("A@example.com"), False),
    (Complex({"tenant": TENANT}), Complex({"tenant": TENANT, "user": USER}), True),
    (Complex({"tenant": TENANT, "user": USER}), Complex({"user": USER}), True),
    (Complex({"tenant": TENANT, "user": USER}), Complex({"tenant": TENANT, "user": OTHER}), False),
    (Complex({"user": USER}), Complex({"tenant": TENANT}), True),
    (USER, Complex({"user": USER}), False),
]


@pytest.mark.parametrize(("one", "other", "expected"), MATCHES)
def test_subjects_match_as_ssf_says(one: Subject, other: Subject, expected: bool) -> None:
    assert match(one, other) is match(other, one) is expected
