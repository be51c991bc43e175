"""Attack 44: groups by replay, order and at once. What an assertion says counts after its claim, once, and in order."""

import time
from collections.abc import Callable
from threading import Barrier
from typing import Any

import pytest

from authz.models import AccessRequest, AuditEvent, Authorization, Rule, User
from authz.protocol import jwts
from tests.support.races import at_once
from tests.support.world import NOTES, World, person
from tests.xaa import company as organisation
from tests.xaa.company import Company, refused
from xaa.models import SubjectLink, TrustedIssuer
from xaa.sign_in import adapter
from xaa.subjects import subject_resolution
from xaa.subjects.subject_resolution import Heard, Resolution, Word, is_news

REFUSED = (400, "invalid_grant")


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    made = organisation.with_keys(organisation.build(), monkeypatch)
    trust(groups_claim="groups")
    return made


def trust(**fields: Any) -> None:
    TrustedIssuer.objects.update(**fields)


def groups() -> set[str]:
    return set(person("bob").groups.values_list("name", flat=True))


def signs_in(token: str) -> None:
    adapter.person({"id_token": jwts.parse(token).claims})


DOORS: dict[str, tuple[str, Callable[[Company, str], object]]] = {
    "an ID-JAG is redeemed": ("id_jag", lambda company, token: company.redeem_assertion(token)),
    "an ID token is exchanged": ("id_token", lambda company, token: company.exchange(token)),
    "an ID token signs in": ("id_token", lambda _, token: signs_in(token)),
}
# Each word is (seconds from now, its groups); they are said in this order, and then all of them again.
ORDERS: list[tuple[str, list[tuple[int, list[str]]], set[str]]] = [
    ("in order", [(-20, ["sales"]), (-10, ["support"])], {"support"}),
    ("the older one comes late", [(-10, ["support"]), (-20, ["sales"])], {"support"}),
    ("the older one would take away", [(-10, ["sales"]), (-20, [])], {"sales"}),
    ("the newer one says none", [(-20, ["sales"]), (-10, [])], set()),
    ("an older one after none", [(-10, []), (-20, ["sales"])], set()),
    ("of one second, each once", [(-10, ["sales"]), (-10, [])], set()),
    ("the same in between", [(-30, ["sales"]), (-10, ["sales"]), (-20, [])], {"sales"}),
    ("a third in between", [(-30, ["sales"]), (-10, ["sales", "support"]), (-20, [])], {"sales", "support"}),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("words", "expected"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS])
def test_words_count_once_and_in_order(
    company: Company, door: str, words: list[tuple[int, list[str]]], expected: set[str]
) -> None:
    kind, use = DOORS[door]
    now = int(time.time())
    tokens = [getattr(company.idp, kind)(iat=now + at, groups=said) for at, said in words]
    for token in tokens + tokens:
        use(company, token)
    assert groups() == {"engineering"} | expected
    assert set(SubjectLink.objects.get().groups) == expected


def test_the_doors_keep_one_order(company: Company) -> None:
    """A person who left a group is not added again by an older assertion of another kind."""
    now = int(time.time())
    id_token = company.idp.id_token(iat=now - 20, groups=["engineering", "sales"])
    assert company.redeem_assertion(company.idp.id_jag(iat=now - 10, groups=["support"])).status_code == 200
    company.exchange(id_token)
    signs_in(id_token)
    assert groups() == {"engineering", "support"}


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda: person("bob").groups.remove(*person("bob").groups.filter(name="sales")),
        lambda: SubjectLink.objects.get().delete(),
        lambda: SubjectLink.objects.update(groups=[], said_at=0, said_by=[], words=0),
        lambda: User.objects.filter(username="bob").update(email="other@example.com"),
        lambda: trust(match=["sub"], create=True),
        lambda: Rule.objects.filter(name="Engineers reach Notes across apps").delete(),
    ],
    ids=["taken out of it", "unlinked", "nothing heard", "another address", "creation", "denied"],
)
@pytest.mark.parametrize("window", [0, 30])
def test_a_used_assertion_changes_nothing(
    company: Company, settings: Any, meanwhile: Callable[[], object], window: int
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": window}
    assertion = company.idp.id_jag(groups=["sales"])
    first = company.redeem_assertion(assertion)
    assert first.status_code == 200
    meanwhile()
    before = _everything()
    again = company.redeem_assertion(assertion)
    assert (again.status_code == 200 and window and again.content == first.content) or refused(again) == REFUSED
    assert _everything() == before


def _everything() -> tuple[object, ...]:
    links = SubjectLink.objects.values_list("user", "groups", "said_at", "words")
    people = User.objects.values_list("username", "email")
    return groups(), list(links), list(people), Authorization.objects.count(), AccessRequest.objects.count()


def test_a_used_assertion_opens_no_access_request(company: Company) -> None:
    assertion = company.idp.id_jag(groups=["sales"])
    assert company.redeem_assertion(assertion).status_code == 200
    definition = {"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"], "groups": ["*"]}
    Rule.objects.create(name="Ask first", effect="require_approval", definition=definition)
    assert refused(company.redeem_assertion(assertion)) == REFUSED
    assert not AccessRequest.objects.exists()


def test_a_refused_assertion_still_removes_the_person_from_the_group(company: Company) -> None:
    person("bob").groups.clear()
    assert company.redeem_assertion(company.idp.id_jag(groups=["engineering"])).status_code == 200
    left = company.idp.id_jag(groups=[])
    assert refused(company.redeem_assertion(left)) == REFUSED
    assert groups() == set()


def test_a_used_assertion_of_a_workload_widens_nothing(company: Company) -> None:
    rule = Rule.objects.get(name="Workloads read notes")
    rule.definition = {**rule.definition, "scopes": ["mcp:read", "mcp:write"]}
    rule.save()
    assertion = company.idp.workload()
    assert company.redeem_assertion(assertion, basic=None, scope="mcp:read").status_code == 200
    assert refused(company.redeem_assertion(assertion, basic=None, scope="mcp:write")) == REFUSED
    assert Authorization.objects.get().scopes == ["mcp:read"]
    Authorization.objects.update(revoked="2026-01-01T00:00Z")
    assert refused(company.redeem_assertion(assertion, basic=None, scope="mcp:read")) == REFUSED
    assert Authorization.objects.count() == 1
    assert company.redeem_assertion(company.idp.workload(), basic=None, scope="mcp:write").status_code == 200


@pytest.mark.parametrize(
    ("word", "heard", "expected"),
    [
        (Word(10, "a"), Heard(0, frozenset()), True),
        (Word(10, "a"), Heard(9.5, frozenset("b")), True),
        (Word(10, "a"), Heard(10, frozenset("b")), True),
        (Word(10, "a"), Heard(10, frozenset("ab")), False),
        (Word(10, "a"), Heard(10.5, frozenset("b")), False),
        (Word(10, "a"), Heard(11, frozenset()), False),
        (Word(10, "a"), Heard(10, frozenset(str(n) for n in range(subject_resolution.MAXIMUM_WORDS))), False),
    ],
)
def test_which_statements_are_new(word: Word, heard: Heard, expected: bool) -> None:
    assert is_news(word, heard) is expected


# --- At once --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("first", "said"),
    [
        (["sales"], [(-10, ["sales", "support"]), (-10, [])]),
        (["sales"], [(-10, ["sales", "support"]), (-5, [])]),
        ([], [(-10, ["sales"]), (-5, ["support"]), (-1, [])]),
        (["sales"], [(-5, []), (-10, ["support"])]),
        (["sales", "support"], [(-10, ["sales"]), (-10, ["support"])]),
        ([], [(-10, ["sales"])] * 4),
    ],
)
def test_of_concurrent_assertions_the_newest_decides_the_memberships(
    company: Company, monkeypatch: pytest.MonkeyPatch, first: list[str], said: list[tuple[int, list[str]]]
) -> None:
    now = int(time.time())
    assert company.redeem_assertion(company.idp.id_jag(iat=now - 60, groups=first)).status_code == 200
    look, together, looked = subject_resolution.look, Barrier(len(said)), set[int]()

    def looks(trust: Any, claims: Any, **agent: Any) -> Resolution:
        found = look(trust, claims, **agent)
        # All have looked before the first one writes.
        if id(claims) not in looked:
            looked.add(id(claims))
            together.wait(30)
        return found

    monkeypatch.setattr(subject_resolution, "look", looks)
    tokens = [company.idp.id_jag(iat=now + at, groups=names) for at, names in said]
    answers = at_once([lambda token=token: company.redeem_assertion(token).status_code for token in tokens])  # type: ignore[misc]

    assert set(answers) == {200}
    link = SubjectLink.objects.get()
    assert groups() == {"engineering"} | set(link.groups)
    newest = max(at for at, _ in said)
    assert sorted(link.groups) in [names for at, names in said if at == newest]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("window", "expected"), [(0, [200, 400, 400, 400]), (30, [200] * 4)])
def test_one_assertion_of_a_new_person_twice_at_once_makes_one_and_is_used_once(
    company: Company, monkeypatch: pytest.MonkeyPatch, settings: Any, window: int, expected: list[int]
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": window}
    trust(create=True, match=["sub"])
    rule = Rule.objects.get(name="Engineers reach Notes across apps")
    rule.definition = {**rule.definition, "groups": ["*"]}
    rule.save()
    token = company.idp.id_jag(sub="dora", groups=["sales"])
    candidates, together, looked = subject_resolution.candidates_for, Barrier(4), []

    def looks(*asked: Any) -> Any:
        found = candidates(*asked)
        if len(looked) < 4:
            looked.append(1)
            together.wait(30)
        return found

    monkeypatch.setattr(subject_resolution, "candidates_for", looks)
    answers = at_once([lambda: company.redeem_assertion(token).status_code] * 4)
    assert sorted(answers) == expected
    link = SubjectLink.objects.get()
    issued = AuditEvent.objects.get(event="token:access:issued")
    assert issued.subject == str(link.user.subject)
    assert Authorization.objects.get().user == link.user
    assert list(link.user.groups.values_list("name", flat=True)) == ["sales"]
    assert AuditEvent.objects.filter(event="subject:person:created").count() == 1
