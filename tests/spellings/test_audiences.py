"""`aud` as a text or a list, of every kind of token."""

from collections.abc import Callable
from typing import Any

import pytest

from authz.conf import conf
from authz.models import AuditEvent
from tests.spellings.doors import signed_by_client
from tests.xaa.company import IDP, Company
from xaa.models import TrustedIssuer


def aud_of_an_id_jag(company: Company, aud: Any, azp: Any) -> Any:
    return company.redeem_assertion(company.idp.id_jag(aud=aud))


def aud_of_a_workload(company: Company, aud: Any, azp: Any) -> Any:
    return company.redeem_assertion(company.idp.workload(aud=aud), basic=None)


def aud_of_a_client(company: Company, aud: Any, azp: Any) -> Any:
    return company.token(grant_type="client_credentials", **signed_by_client({"typ": "JWT"}, aud=aud))


def aud_of_an_id_token(company: Company, aud: Any, azp: Any) -> Any:
    return company.exchange(company.idp.id_token(aud=meant(aud, conf.issuer, "agent-at-idp"), azp=azp))


US = "{us}"
AUDIENCES: list[tuple[Any, bool]] = [
    (US, True),
    ([US], True),
    ([US, US], True),
    ([], False),
    ("", False),
    (None, False),
    (5, False),
    ([None], False),
    ([[US]], False),
    ({"aud": US}, False),
    ([US, "https://other.example"], False),
    (["https://other.example", US], False),
    ("https://other.example", False),
    ([US, ""], False),
    (f"{US} https://other.example", False),
    (["https://other.example"] * 30, False),
]
WHOSE = [aud_of_an_id_jag, aud_of_a_workload, aud_of_a_client, aud_of_an_id_token]


def meant(aud: Any, what: str = US, name: str = "") -> Any:
    """An `aud` with our name in the place of `what`."""
    ours = name or conf.issuer
    if isinstance(aud, str):
        return aud.replace(what, ours)
    if isinstance(aud, list):
        return [meant(one, what, ours) for one in aud]
    return {key: meant(value, what, ours) for key, value in aud.items()} if isinstance(aud, dict) else aud


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize(("aud", "is_ours"), AUDIENCES, ids=str)
def test_an_audience_is_a_text_or_a_list_of_them_and_ours_alone(
    company: Company, aud: Any, is_ours: bool, whose: Callable[..., Any]
) -> None:
    # > If the `aud` claim is an array, it MUST contain exactly one element (ID-JAG §4.4.1); client assertions alike.
    expected = is_ours and not (whose in {aud_of_an_id_jag, aud_of_a_client} and aud == [US, US])
    assert (whose(company, meant(aud), None).status_code == 200) is expected


@pytest.mark.parametrize(
    ("aud", "azp", "trusted", "is_taken"),
    [
        (["agent-at-idp", "project"], None, ["project"], True),
        (["app2", "agent-at-idp", "project"], "agent-at-idp", ["app2", "project"], True),
        (["app2", "agent-at-idp", "project"], "app2", ["app2", "project"], False),
        (["agent-at-idp", "project"], "agent-at-idp", [], False),
        (["agent-at-idp", "project"], None, ["PROJECT"], False),
        (["project"], "agent-at-idp", ["project"], False),
        ("agent-at-idp", "agent-at-idp", [], True),
        ("agent-at-idp", "app2", ["app2"], False),
        ("agent-at-idp", "", [], False),
        ("agent-at-idp", ["agent-at-idp"], [], False),
        (["agent-at-idp", "agent-at-idp"], None, [], True),
        (["agent-at-idp", "a", "b", "c"], "agent-at-idp", ["a", "b", "c"], True),
    ],
)
def test_an_id_token_for_several_needs_each_of_them_named(
    company: Company, aud: Any, azp: Any, trusted: list[str], is_taken: bool
) -> None:
    TrustedIssuer.objects.filter(issuer=IDP).update(trusted_audiences=trusted)
    answer = company.exchange(company.idp.id_token(aud=aud, azp=azp))
    assert (answer.status_code == 200) is is_taken, answer.content
    if not is_taken:
        assert AuditEvent.objects.latest("id").reason in {"assertion_audience", "assertion_of_another_client"}
