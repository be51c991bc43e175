"""Silence is not “no groups”, and two owners of one membership never undo each other's work (decision 0052)."""

import json
import re
import time
from typing import Any

import pytest
import yaml

from authz.configuration import apply, export
from authz.database import configuration_cache
from authz.models import AuditEvent
from authz.protocol import jwts
from tests.support.world import World, person
from tests.xaa import company as organisation
from tests.xaa.company import Company
from xaa.models import SubjectLink, TrustedIssuer
from xaa.sign_in import adapter
from xaa.subjects.said_groups import Silence, joined, read

MANY = [f"group {number}" for number in range(200)]
SHAPES: list[tuple[str, dict[str, Any], tuple[str, ...] | Silence]] = [
    ("no claim", {}, Silence.ABSENT),
    ("null", {"groups": None}, Silence.ABSENT),
    ("an empty list", {"groups": []}, ()),
    ("a list", {"groups": ["b", "a", "a"]}, ("a", "b")),
    ("a lone string", {"groups": "sales"}, ("sales",)),
    ("a lone string with a blank", {"groups": "Sales EMEA"}, ("Sales EMEA",)),
    ("an empty string", {"groups": ""}, Silence.UNREADABLE),
    ("a blank", {"groups": " "}, Silence.UNREADABLE),
    ("an object", {"groups": {"sales": True}}, Silence.UNREADABLE),
    ("a number", {"groups": 7}, Silence.UNREADABLE),
    ("zero", {"groups": 0}, Silence.UNREADABLE),
    ("false", {"groups": False}, Silence.UNREADABLE),
    ("a list of objects", {"groups": [{"name": "sales"}]}, Silence.UNREADABLE),
    ("a list of numbers", {"groups": [1, 2]}, Silence.UNREADABLE),
    ("a list with a null", {"groups": ["sales", None]}, Silence.UNREADABLE),
    ("a list in a list", {"groups": [["sales"]]}, Silence.UNREADABLE),
    ("a name too long", {"groups": ["sales", "x" * 151]}, Silence.UNREADABLE),
    ("as many as there may be", {"groups": MANY}, tuple(sorted(MANY))),
    ("the same name twice is no other", {"groups": [*MANY, MANY[0]]}, tuple(sorted(MANY))),
    ("one more", {"groups": [*MANY, "sales"]}, Silence.TOO_MANY),
    ("an overage", {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}, Silence.OVERAGE),
    ("an overage beside a part", {"groups": ["a"], "_claim_names": {"groups": "src1"}}, Silence.OVERAGE),
    ("an overage beside none", {"groups": [], "_claim_names": {"groups": "src1"}}, Silence.OVERAGE),
    ("an overage of the implicit flow", {"hasgroups": True}, Silence.OVERAGE),
    ("its text", {"hasgroups": "true"}, Silence.OVERAGE),
    ("an overage of another claim", {"groups": ["a"], "_claim_names": {"roles": "src1"}}, ("a",)),
    ("unreadable references", {"groups": ["a"], "_claim_names": "groups"}, ("a",)),
]
OTHER_CLAIMS: list[tuple[dict[str, Any], tuple[str, ...] | Silence]] = [
    ({"roles": ["a"], "hasgroups": True}, ("a",)),
    ({"roles": ["a"], "_claim_names": {"groups": "src1"}}, ("a",)),
    ({"roles": ["a"], "_claim_names": {"roles": "src1"}}, Silence.OVERAGE),
    ({"groups": ["a"]}, Silence.ABSENT),
    ({"roles": [], "groups": ["a"]}, ()),
]
SILENT = [row for row in SHAPES if isinstance(row[2], Silence)]


@pytest.mark.parametrize(("claims", "expected"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_what_is_said(claims: dict[str, Any], expected: object) -> None:
    assert read(claims, "groups") == expected


@pytest.mark.parametrize(("claims", "expected"), OTHER_CLAIMS)
def test_what_is_said_in_a_claim_of_another_name(claims: dict[str, Any], expected: object) -> None:
    assert read(claims, "roles") == expected


@pytest.mark.parametrize(
    ("id_token", "userinfo", "expected"),
    [
        ({"groups": ["a"]}, {"groups": ["b"]}, ("a",)),
        ({"groups": []}, {"groups": ["b"]}, ()),
        ({}, {"groups": ["b"]}, ("b",)),
        ({}, {"groups": []}, ()),
        ({"groups": None}, {"groups": "b"}, ("b",)),
        ({"groups": {}}, {"groups": ["b"]}, ("b",)),
        ({"_claim_names": {"groups": "src1"}}, {"groups": ["b"]}, ("b",)),
        ({"hasgroups": True}, {"groups": ["b"]}, ("b",)),
        ({"hasgroups": True}, {"groups": 7}, Silence.OVERAGE),
        ({}, {}, Silence.ABSENT),
        ({}, {"hasgroups": True}, Silence.OVERAGE),
    ],
)
def test_userinfo_says_what_the_id_token_does_not(
    id_token: dict[str, Any], userinfo: dict[str, Any], expected: object
) -> None:
    assert read(joined(id_token, userinfo, "groups"), "groups") == expected


# --- At every door ---------------------------------------------------------------------------------------------------


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    made = organisation.with_keys(organisation.build(), monkeypatch)
    TrustedIssuer.objects.update(groups_claim="groups")
    return made


def groups(username: str = "bob") -> set[str]:
    return set(person(username).groups.values_list("name", flat=True))


def signs_in(token: str) -> None:
    adapter.person({"id_token": jwts.parse(token).claims})


def says(company: Company, door: str, **claims: Any) -> None:
    if door == "id_jag":
        assert company.redeem_assertion(company.idp.id_jag(**claims)).status_code == 200
    elif door == "exchange":
        assert company.exchange(company.idp.id_token(**claims)).status_code == 200
    elif door == "userinfo":
        told = {name: claims.pop(name) for name in list(claims) if name != "iat"}
        known = jwts.parse(company.idp.id_token(**claims)).claims
        adapter.person({"id_token": known, "userinfo": {"sub": known["sub"], **told}})
    else:
        signs_in(company.idp.id_token(**claims))


DOORS = ["id_jag", "exchange", "sign_in", "userinfo"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("claims", "silence"), [row[1:] for row in SILENT], ids=[row[0] for row in SILENT])
def test_silence_leaves_memberships_and_stands_in_the_audit(
    company: Company, door: str, claims: dict[str, Any], silence: Silence
) -> None:
    now = int(time.time())
    says(company, door, iat=now - 20, groups=["sales"])
    assert groups() == {"engineering", "sales"}
    says(company, door, iat=now - 10, **claims)
    assert groups() == {"engineering", "sales"}
    event = AuditEvent.objects.filter(event="subject:groups:unsaid").latest("id")
    assert (event.subject, event.detail["why"]) == (str(person("bob").subject), silence.value)


@pytest.mark.parametrize("door", DOORS)
def test_an_empty_list_takes_effect_at_once_also_after_silence(company: Company, door: str) -> None:
    now = int(time.time())
    says(company, door, iat=now - 30, groups=["sales"])
    says(company, door, iat=now - 20)
    says(company, door, iat=now - 10, groups=[])
    assert groups() == {"engineering"}


def test_another_agents_tokens_and_the_next_sign_in_outlive_silence(company: Company) -> None:
    now = int(time.time())
    person("bob").groups.clear()
    says(company, "id_jag", iat=now - 20, groups=["engineering"])
    tokens = company.signed_in_tokens()
    says(company, "id_jag", iat=now - 10)
    assert company.refresh(tokens["refresh_token"]).status_code == 200
    assert "code" in company.authorize()


def test_where_no_groups_claim_is_configured_nothing_is_silent(company: Company) -> None:
    TrustedIssuer.objects.update(groups_claim="")
    says(company, "id_jag")
    assert not AuditEvent.objects.filter(event="subject:groups:unsaid").exists()


# --- Owners ----------------------------------------------------------------------------------------------------------


def gives_here(*names: str) -> None:
    apply(json.dumps({"users": [{"username": "bob", "email": "bob@example.com", "groups": list(names)}]}))


def gives_elsewhere(*names: str) -> None:
    """Another issuer puts bob into exactly these: its link is written by the same code, with the other issuer."""
    issuer, _ = TrustedIssuer.objects.get_or_create(
        issuer="https://other.example", defaults={"accepts": ["id_token"], "groups_claim": "groups"}
    )
    SubjectLink.objects.get_or_create(issuer=issuer, subject="bob-there", user=person("bob"))
    global _later  # noqa: PLW0603
    _later += 1
    configuration_cache.begin()
    adapter.person(
        {"id_token": {"iss": issuer.issuer, "sub": "bob-there", "iat": time.time() + _later, "groups": list(names)}}
    )


_later = 0


def exported() -> list[str]:
    users = yaml.safe_load(export())["users"]
    return next(user.get("groups", []) for user in users if user["username"] == "bob")


def test_owners_of_one_membership_never_undo_each_others_work(company: Company) -> None:
    now = int(time.time())
    at = iter(range(-60, 0))

    def a(*names: str) -> None:
        says(company, "id_jag", iat=now + next(at), groups=list(names))

    gives_here("engineering")
    a("engineering", "sales")
    assert groups() == {"engineering", "sales"}
    assert exported() == ["engineering"]
    gives_here("engineering")
    assert groups() == {"engineering", "sales"}, "the file doesn't take what an issuer gives"
    a()
    assert groups() == {"engineering"}, "what the file gave stays"

    a("sales")
    gives_here("engineering", "sales")
    a()
    assert groups() == {"engineering", "sales"}, "what the file gives meanwhile stays"

    a("sales")
    gives_here("engineering")
    assert groups() == {"engineering", "sales"}, "the issuer gives it still"
    gives_elsewhere("sales", "support")
    a()
    assert groups() == {"engineering", "sales", "support"}, "another issuer gives it still"
    gives_elsewhere("support")
    assert groups() == {"engineering", "support"}
    gives_elsewhere()
    assert groups() == {"engineering"}


def test_the_list_of_groups_says_which_issuer_gives_each(company: Company) -> None:
    says(company, "exchange", groups=["sales"])
    company.sign_in("alice")
    page = company.browser.get("/console/auth/group/").content.decode()
    givers = dict(re.findall(r'>(engineering|sales)</a>.*?field-givers">(.*?)</td>', page, re.DOTALL))
    issuer = TrustedIssuer.objects.get(issuer=organisation.IDP)
    assert (issuer.name or issuer.issuer) in givers["sales"]
    assert "—" in givers["engineering"]


def test_what_rested_on_a_link_ends_with_it(company: Company) -> None:
    says(company, "id_jag", groups=["sales", "support", "engineering"])
    gives_elsewhere("support")
    SubjectLink.objects.get(subject="bob-at-idp").delete()
    assert groups() == {"engineering", "support"}
    TrustedIssuer.objects.get(issuer="https://other.example").delete()
    assert groups() == {"engineering"}


def test_the_consoles_form_writes_what_is_given_here(company: Company) -> None:
    says(company, "id_jag", groups=["sales"])
    company.browser.logout()
    company.sign_in("alice")
    bob = person("bob")
    address = f"/console/authz/user/{bob.pk}/change/"
    page = company.browser.get(address)
    assert b"By their identity provider they are in: sales" in page.content
    form = {"username": "bob", "email": "bob@example.com", "is_active": "on", "role": "none", "groups": []}
    answer = company.press(address, page, **form)
    assert answer.status_code == 302, answer.content
    assert groups() == {"sales"}
