"""A person unticks scopes on the consent page: what is granted is what was shown and left ticked."""

from typing import Any

import pytest

from authz.models import AuditEvent, Authorization, AuthorizationCode, Consent
from tests.support.races import at_once
from tests.support.world import (
    LOOPBACK_REDIRECT,
    NOTES,
    World,
    claims,
    client,
    hidden_fields,
    redirect_parameters,
)  # fmt: skip

READ, WRITE = "mcp:read", "mcp:write"
ALL = f"{READ} {WRITE}"


def page_for(world: World, **changes: Any) -> tuple[str, Any]:
    world.sign_in("bob")
    url = world.authorize_url(**{"scope": ALL, **changes})
    return url, world.browser.get(url)


def allowed(world: World, *ticked: str, **changes: Any) -> Any:
    """The answer to the page with only these boxes ticked."""
    url, page = page_for(world, **changes)
    return world.press(url, page, allow="true", scope=list(ticked))


def code(response: Any) -> str:
    assert response.status_code == 302, response.content
    return redirect_parameters(response)["code"]


def tokens(world: World, response: Any, **changes: Any) -> dict[str, Any]:
    answer = world.redeem(code(response), **changes)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def nothing_was_given() -> bool:
    return not Consent.objects.exists() and not AuthorizationCode.objects.exists()


class TestWhatIsGranted:
    def test_the_page_has_a_box_for_each_scope_all_ticked(self, gatehouse: World) -> None:
        _, page = page_for(gatehouse, scope=f"{ALL} openid email")
        assert hidden_fields(page)["scope"] == [READ, WRITE, "openid", "email"]

    def test_an_unticked_scope_is_in_no_token(self, gatehouse: World) -> None:
        """> scope: OPTIONAL, if identical to the scope requested by the client; otherwise, REQUIRED. (RFC 6749 §5.1)"""
        given = tokens(gatehouse, allowed(gatehouse, READ))

        assert given["scope"] == READ
        assert claims(given["access_token"])["scope"] == READ
        authorization = Authorization.objects.get(user__username="bob")
        assert authorization.scopes == [READ]
        assert authorization.lineage["unticked"] == [WRITE]

    def test_the_audit_says_what_was_unticked(self, gatehouse: World) -> None:
        allowed(gatehouse, READ)

        consent = AuditEvent.objects.get(event="authorize:consent:given")
        assert (consent.detail["scope"], consent.detail["unticked"]) == (READ, WRITE)
        assert AuditEvent.objects.get(event="authorize:code:issued").detail["unticked"] == WRITE

    def test_a_refresh_gives_no_more_than_was_ticked(self, gatehouse: World) -> None:
        given = tokens(gatehouse, allowed(gatehouse, READ))

        again = gatehouse.refresh(given["refresh_token"])
        assert again.json()["scope"] == READ
        wider = gatehouse.refresh(again.json()["refresh_token"], scope=ALL)
        assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")

    def test_identity_is_unticked_in_its_own_words(self, gatehouse: World) -> None:
        _, page = page_for(gatehouse, scope=f"{READ} openid email")
        assert "See your e-mail address" in page.content.decode()

        given = tokens(gatehouse, allowed(gatehouse, READ, "openid", scope=f"{READ} openid email"))

        assert given["scope"] == f"{READ} openid"
        assert "email" not in claims(given["id_token"])

    def test_without_openid_there_is_no_id_token(self, gatehouse: World) -> None:
        given = tokens(gatehouse, allowed(gatehouse, READ, scope=f"{READ} openid"))
        assert "id_token" not in given

    def test_who_does_not_stay_connected_gets_no_refresh_token(self, gatehouse: World) -> None:
        asked = f"{READ} offline_access"
        assert "refresh_token" not in tokens(gatehouse, allowed(gatehouse, READ, scope=asked))

    def test_an_agent_that_did_not_ask_to_stay_gets_one_as_before(self, gatehouse: World) -> None:
        assert "refresh_token" in tokens(gatehouse, allowed(gatehouse, READ, scope=READ))


class TestNothingLeft:
    @pytest.mark.parametrize("kept", [[], ["openid"], ["offline_access"], ["openid", "offline_access"]])
    def test_no_scope_of_the_server_left_is_a_denial(self, gatehouse: World, kept: list[str]) -> None:
        response = allowed(gatehouse, *kept, scope=f"{READ} openid offline_access")

        assert redirect_parameters(response)["error"] == "access_denied"
        assert nothing_was_given()
        event = AuditEvent.objects.get(event="authorize:consent:denied")
        assert event.reason == "consent_denied"
        assert event.detail["unticked"].split()[0] == READ

    def test_a_sign_in_without_openid_is_a_denial(self, gatehouse: World) -> None:
        response = allowed(gatehouse, "email", scope="openid email", resource=None)
        assert redirect_parameters(response)["error"] == "access_denied"
        assert nothing_was_given()


class TestForgedBoxes:
    """Attack 31: the boxes of a form are the browser's word."""

    @pytest.mark.parametrize(
        ("attack", "ticked"),
        [
            ("a scope that the page did not show", [READ, WRITE]),
            ("a scope of another server", [READ, "payroll:read"]),
            ("an identity scope that was not asked for", [READ, "email"]),
            ("two scopes in one box", [f"{READ} {WRITE}"]),
            ("the same box twice", [READ, READ]),
            ("an empty box beside a true one", [READ, ""]),
            ("an empty box alone", [""]),
            ("a wildcard", ["*"]),
            ("a scope in other letters", ["MCP:READ"]),
            ("a thousand boxes", [READ, *(f"s{n}" for n in range(900))]),
        ],
    )  # fmt: skip
    def test_a_forged_box_gives_nothing(self, gatehouse: World, attack: str, ticked: list[str]) -> None:
        response = allowed(gatehouse, *ticked, scope=READ)

        assert response.status_code == 200, attack
        assert b"Nothing was allowed." in response.content
        assert nothing_was_given()
        event = AuditEvent.objects.get(event="authorize:request:refused")
        assert (event.reason, event.client_id) == ("consent_not_as_shown", "desktop-app")

    @pytest.mark.parametrize("boxes", ["", READ, WRITE, f"{WRITE} {READ}", f"{ALL} email", "x" * 10_000])
    def test_a_forged_list_of_boxes_gives_nothing(self, gatehouse: World, boxes: str) -> None:
        """A scope without a box counts as allowed before, so the list is under the form's seal, too."""
        url, page = page_for(gatehouse)

        response = gatehouse.press(url, page, allow="true", scope=[READ], boxes=boxes)

        assert response.status_code == 200
        assert nothing_was_given()

    def test_a_page_of_a_consent_that_was_withdrawn_meanwhile_gives_nothing(self, gatehouse: World) -> None:
        tokens(gatehouse, allowed(gatehouse, READ, scope=READ))
        url, page = page_for(gatehouse)
        assert hidden_fields(page)["boxes"] == WRITE
        Consent.objects.all().delete()
        before = AuthorizationCode.objects.count()

        response = gatehouse.press(url, page, allow="true")

        assert b"Nothing was allowed." in response.content
        assert AuthorizationCode.objects.count() == before

    def test_boxes_in_the_address_count_for_nothing(self, gatehouse: World) -> None:
        url, page = page_for(gatehouse)
        form = {name: value for name, value in hidden_fields(page).items() if name != "scope"}

        response = gatehouse.browser.post(f"{url}&boxes={WRITE}", form | {"allow": "true"})

        assert nothing_was_given() and "code=" not in response.get("Location", "")


class TestAskedAgain:
    def test_the_same_request_again_gives_the_same_part_silently(self, gatehouse: World) -> None:
        allowed(gatehouse, READ)

        for more in ({}, {"prompt": "none"}):
            url = gatehouse.authorize_url(scope=ALL, **more)
            assert tokens(gatehouse, gatehouse.browser.get(url))["scope"] == READ

    def test_a_client_that_asks_for_consent_asks_for_what_was_unticked(self, gatehouse: World) -> None:
        allowed(gatehouse, READ)

        url, page = page_for(gatehouse, prompt="consent")
        assert hidden_fields(page)["boxes"] == ALL
        assert hidden_fields(page)["scope"] == [READ]

        assert tokens(gatehouse, gatehouse.press(url, page, allow="true", scope=[READ, WRITE]))["scope"] == ALL
        # And from then on without a page.
        assert tokens(gatehouse, gatehouse.browser.get(gatehouse.authorize_url(scope=ALL)))["scope"] == ALL

    def test_a_request_for_nothing_but_what_was_unticked_is_a_question(self, gatehouse: World) -> None:
        allowed(gatehouse, READ)

        url, page = page_for(gatehouse, scope=WRITE)
        assert page.status_code == 200
        # All that it asks for was unticked: it is ticked, since “Allow” would deny otherwise.
        assert hidden_fields(page)["scope"] == [WRITE]
        silent = gatehouse.browser.get(gatehouse.authorize_url(scope=WRITE, prompt="none"))
        assert redirect_parameters(silent)["error"] == "consent_required"
        assert tokens(gatehouse, gatehouse.press(url, page, allow="true"))["scope"] == WRITE

    def test_more_scopes_are_asked_for_beside_those_that_were_allowed(self, gatehouse: World) -> None:
        allowed(gatehouse, READ, scope=READ)

        url, page = page_for(gatehouse)

        assert hidden_fields(page)["boxes"] == WRITE
        assert "You have allowed it already" in page.content.decode()
        assert tokens(gatehouse, gatehouse.press(url, page, allow="true"))["scope"] == ALL

    def test_more_scopes_declined_leave_what_was_allowed(self, gatehouse: World) -> None:
        allowed(gatehouse, READ, scope=READ)

        assert tokens(gatehouse, allowed(gatehouse))["scope"] == READ

    def test_what_is_unticked_later_is_no_longer_remembered(self, gatehouse: World) -> None:
        allowed(gatehouse, READ, WRITE)
        allowed(gatehouse, READ, prompt="consent")

        assert tokens(gatehouse, gatehouse.browser.get(gatehouse.authorize_url(scope=ALL)))["scope"] == READ

    def test_a_client_on_loopback_is_asked_about_each_time(self, gatehouse: World) -> None:
        """Nothing proves who it is (RFC 8252 §8.6); what was unticked begins unticked."""
        back = {"redirect_uri": LOOPBACK_REDIRECT}
        allowed(gatehouse, READ, **back)

        _, page = page_for(gatehouse, **back)

        assert (hidden_fields(page)["boxes"], hidden_fields(page)["scope"]) == (ALL, [READ])

    def test_a_client_that_has_changed_is_asked_about_anew(self, gatehouse: World) -> None:
        allowed(gatehouse, READ)
        Consent.objects.update(client_digest="another")

        _, page = page_for(gatehouse)

        assert hidden_fields(page)["scope"] == [READ, WRITE]


class TestAtOnce:
    def test_a_double_press_gives_the_same_part_twice(self, gatehouse: World) -> None:
        url, page = page_for(gatehouse)
        codes = [code(gatehouse.press(url, page, allow="true", scope=[READ])) for _ in range(2)]
        assert [gatehouse.redeem(each).json()["scope"] for each in codes] == [READ, READ]

    def test_two_answers_at_once_leave_one_of_them(self, committed_gatehouse: World) -> None:
        url, page = page_for(committed_gatehouse)
        form = hidden_fields(page) | {"allow": "true"}

        def answer(*ticked: str) -> int:
            other = World()
            other.browser.cookies = committed_gatehouse.browser.cookies
            return int(other.browser.post(url, form | {"scope": list(ticked)}).status_code)

        assert at_once([lambda: answer(READ), lambda: answer(READ, WRITE)] * 2) == [302] * 4
        kept = Consent.objects.get()
        assert set(kept.scopes) & set(kept.declined or ()) == set()
        assert {*kept.scopes, *(kept.declined or ())} == {READ, WRITE}


def test_the_page_names_the_server_it_is_for(gatehouse: World) -> None:
    _, page = page_for(gatehouse)
    assert NOTES in page.content.decode()


def test_the_account_page_says_what_was_left_out_and_ending_access_asks_again(gatehouse: World) -> None:
    tokens(gatehouse, allowed(gatehouse, READ))

    assert "You left out: <bdi>Change notes</bdi>" in gatehouse.browser.get("/account/").content.decode()
    gatehouse.press(f"/account/agents/{client('desktop-app').pk}/end/")

    _, page = page_for(gatehouse)
    assert hidden_fields(page)["scope"] == [READ, WRITE]
