"""Attack 26: many refreshes of one token at once, and replays of old ones (CVE-2026-1035, CVE-2026-9802).

There is never more than one live successor; a replay outside the window ends the family; threads, processes and a
restart make no difference.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from django.http import HttpResponse
from pytest_django import Settings

from authz.models import AuditEvent, Authorization
from tests.support import processes, world
from tests.support.processes import RunningGatehouse
from tests.support.races import at_once
from tests.support.world import SERVER_SECRET, World, claims

AT_ONCE = 8
RESOURCE_SERVER = ("notes-server", SERVER_SECRET)


def body(response: HttpResponse) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(response.content)
    return decoded


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the token endpoint's clock go on."""
    monkeypatch.setattr("authz.endpoints.token.now", lambda: time.time() + seconds)


def refreshes(refresh_token: str, count: int = AT_ONCE) -> list[HttpResponse]:
    return at_once([lambda: World().refresh(refresh_token) for _ in range(count)])


class TestThreads:
    def test_many_refreshes_at_once_get_one_and_the_same_successor(self, committed_gatehouse: World) -> None:
        tokens = committed_gatehouse.signed_in_tokens()
        answers = refreshes(tokens["refresh_token"])
        assert {answer.status_code for answer in answers} == {200}
        successors = {body(answer)["refresh_token"] for answer in answers}
        assert len(successors) == 1
        assert Authorization.objects.get().generation == 1
        assert committed_gatehouse.refresh(successors.pop()).status_code == 200

    def test_each_of_them_has_its_audit_record(self, committed_gatehouse: World) -> None:
        tokens = committed_gatehouse.signed_in_tokens()
        answers = refreshes(tokens["refresh_token"])
        issued = {claims(body(answer)["access_token"])["jti"] for answer in answers}
        recorded = AuditEvent.objects.filter(event="token:access:issued", detail__grant_type="refresh_token")
        assert len(issued) == AT_ONCE
        assert {event.detail["jti"] for event in recorded} == issued

    def test_generation_after_generation_there_is_one_line_of_descent(self, committed_gatehouse: World) -> None:
        refresh_token = committed_gatehouse.signed_in_tokens()["refresh_token"]
        for generation in range(1, 5):
            answers = refreshes(refresh_token, 4)
            assert [answer.status_code for answer in answers] == [200] * 4
            (refresh_token,) = {body(answer)["refresh_token"] for answer in answers}
            assert Authorization.objects.get().generation == generation

    def test_without_a_window_one_gets_it_and_the_others_end_the_family(
        self, committed_gatehouse: World, settings: Settings
    ) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": 0}
        tokens = committed_gatehouse.signed_in_tokens()
        answers = refreshes(tokens["refresh_token"])
        assert sorted(answer.status_code for answer in answers) == [200] + [400] * (AT_ONCE - 1)
        (winner,) = [body(answer) for answer in answers if answer.status_code == 200]
        assert committed_gatehouse.refresh(winner["refresh_token"]).status_code == 400
        assert committed_gatehouse.introspect(winner["access_token"]) == {"active": False}

    def test_a_revocation_in_the_middle_leaves_nothing_alive(self, committed_gatehouse: World) -> None:
        tokens = committed_gatehouse.signed_in_tokens()
        revocation = {"token": tokens["refresh_token"], "client_id": "desktop-app"}
        *answers, revoked = at_once(
            [
                *[lambda: World().refresh(tokens["refresh_token"]) for _ in range(AT_ONCE)],
                lambda: World().post("revoke", revocation),
            ]
        )
        assert revoked.status_code == 200
        assert {answer.status_code for answer in answers} <= {200, 400}
        for answer in answers:
            if answer.status_code == 200:
                assert committed_gatehouse.refresh(body(answer)["refresh_token"]).status_code == 400
                assert committed_gatehouse.introspect(body(answer)["access_token"]) == {"active": False}

    def test_replays_at_once_end_the_family_once(self, committed_gatehouse: World) -> None:
        first = committed_gatehouse.signed_in_tokens()["refresh_token"]
        second = body(committed_gatehouse.refresh(first))["refresh_token"]
        committed_gatehouse.refresh(second)
        answers = refreshes(first)
        assert {answer.status_code for answer in answers} == {400}
        assert AuditEvent.objects.filter(event="token:authorization:revoked").count() == 1


class TestReplay:
    def test_the_last_token_but_one_is_a_retry_within_the_window(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = gatehouse.signed_in_tokens()["refresh_token"]
        successor = body(gatehouse.refresh(first))["refresh_token"]
        later(monkeypatch, 29)
        assert body(gatehouse.refresh(first))["refresh_token"] == successor

    def test_a_retry_does_not_make_the_window_longer(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        first = gatehouse.signed_in_tokens()["refresh_token"]
        gatehouse.refresh(first)
        later(monkeypatch, 20)
        assert gatehouse.refresh(first).status_code == 200
        later(monkeypatch, 40)
        assert gatehouse.refresh(first).status_code == 400

    def test_after_the_window_it_is_a_replay_that_ends_the_family(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tokens = gatehouse.signed_in_tokens()
        successor = body(gatehouse.refresh(tokens["refresh_token"]))
        later(monkeypatch, 31)
        assert body(gatehouse.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
        assert gatehouse.refresh(successor["refresh_token"]).status_code == 400
        for token in (tokens["access_token"], successor["access_token"]):
            assert gatehouse.introspect(token) == {"active": False}
        assert AuditEvent.objects.get(event="token:authorization:family_revoked").reason == "refresh_token_replayed"

    def test_two_behind_is_a_replay_even_within_the_window(self, gatehouse: World) -> None:
        first = gatehouse.signed_in_tokens()["refresh_token"]
        second = body(gatehouse.refresh(first))["refresh_token"]
        third = body(gatehouse.refresh(second))["refresh_token"]
        assert gatehouse.refresh(first).status_code == 400
        assert gatehouse.refresh(third).status_code == 400

    def test_a_revoked_token_is_refused_within_the_window_too(self, gatehouse: World) -> None:
        first = gatehouse.signed_in_tokens()["refresh_token"]
        second = body(gatehouse.refresh(first))["refresh_token"]
        gatehouse.post("revoke", {"token": second, "client_id": "desktop-app"})
        assert gatehouse.refresh(first).status_code == 400
        assert gatehouse.refresh(second).status_code == 400

    def test_with_a_window_of_nought_every_reuse_ends_the_family(self, gatehouse: World, settings: Settings) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": 0}
        first = gatehouse.signed_in_tokens()["refresh_token"]
        second = body(gatehouse.refresh(first))["refresh_token"]
        assert gatehouse.refresh(first).status_code == 400
        assert gatehouse.refresh(second).status_code == 400

    def test_what_another_client_presents_is_refused_and_ends_nothing(self, gatehouse: World) -> None:
        first = gatehouse.signed_in_tokens()["refresh_token"]
        second = body(gatehouse.refresh(first))["refresh_token"]
        stolen = gatehouse.token(basic=("web-app", world.SECRET), grant_type="refresh_token", refresh_token=first)
        assert body(stolen)["error"] == "invalid_grant"
        assert gatehouse.refresh(second).status_code == 200

    @pytest.mark.parametrize("leave", ["suspended client", "deactivated person", "denied by rule"])
    def test_a_client_that_lost_access_gets_nothing_within_the_window(self, gatehouse: World, leave: str) -> None:
        first = gatehouse.signed_in_tokens()["refresh_token"]
        gatehouse.refresh(first)
        if leave == "suspended client":
            row = world.client("desktop-app")
            row.status = "suspended"
            row.save()
        elif leave == "deactivated person":
            person = world.person("bob")
            person.is_active = False
            person.save()
        else:
            world.person("bob").groups.clear()
        assert gatehouse.refresh(first).status_code == 400


class TestForgery:
    @pytest.mark.parametrize(
        "forge",
        [
            lambda body, generation, mac: f"{body}.{int(generation) + 1}.{mac}",
            lambda body, generation, mac: f"{body}.{generation}.{mac[::-1]}",
            lambda body, generation, mac: f"{body}.{generation}.",
            lambda body, generation, mac: f"{body}.{generation}",
            lambda body, generation, mac: f"{'A' * len(body)}.{generation}.{mac}",
            lambda body, generation, mac: f"{body}.0{generation}.{mac}",
            lambda body, generation, mac: f"{body}.{generation}.{mac}=",
            lambda body, generation, mac: f"{body}.{generation}.{mac}" + "A" * 200,
            lambda body, generation, mac: f"{body}.{generation}.{mac[:-1]}é",
            lambda body, generation, mac: "",
            lambda body, generation, mac: "..",
        ],
    )
    def test_a_token_we_did_not_write_is_refused_and_ends_nothing(self, gatehouse: World, forge: Any) -> None:
        genuine = gatehouse.signed_in_tokens()["refresh_token"]
        assert gatehouse.refresh(forge(*genuine.split("."))).status_code == 400
        assert gatehouse.refresh(genuine).status_code == 200


class TestProcesses:
    """Two workers of a real server, and servers that come and go, on one database."""

    @staticmethod
    def signed_in_tokens(server: RunningGatehouse) -> dict[str, Any]:
        response = server.redeem(server.code())
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    @staticmethod
    def refreshes(server: RunningGatehouse, refresh_token: str) -> list[requests.Response]:
        return at_once([lambda: server.refresh(refresh_token) for _ in range(AT_ONCE)])

    def test_many_refreshes_at_once_get_one_and_the_same_successor(self, server: RunningGatehouse) -> None:
        tokens = self.signed_in_tokens(server)
        for _ in range(3):
            answers = self.refreshes(server, tokens["refresh_token"])
            assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
            assert len({answer.json()["refresh_token"] for answer in answers}) == 1
            tokens = answers[0].json()
        assert server.introspect(tokens["access_token"], RESOURCE_SERVER)["active"] is True

    def test_without_a_window_every_reuse_ends_the_family(self, strict_server: RunningGatehouse) -> None:
        tokens = self.signed_in_tokens(strict_server)
        answers = self.refreshes(strict_server, tokens["refresh_token"])
        assert sorted(answer.status_code for answer in answers) == [200] + [400] * (AT_ONCE - 1)
        (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
        assert strict_server.refresh(winner["refresh_token"]).status_code == 400
        assert strict_server.introspect(winner["access_token"], RESOURCE_SERVER) == {"active": False}

    def test_a_killed_server_and_its_successor_tell_one_story(
        self, server: RunningGatehouse, database_url: str, tmp_path: Path
    ) -> None:
        with processes.running(database_url, tmp_path) as mortal:
            first = self.signed_in_tokens(mortal)["refresh_token"]
            second = mortal.refresh(first).json()["refresh_token"]
            mortal.kill()
        # The client, whose answer may have been lost, tries again elsewhere.
        retried = server.refresh(first)
        assert retried.status_code == 200
        assert retried.json()["refresh_token"] == second
        third = server.refresh(second).json()["refresh_token"]
        assert server.refresh(first).status_code == 400
        assert server.refresh(third).status_code == 400


def forgotten(generations: int) -> None:
    """What a power cut does: the row is as it was, and the clients have what came after."""
    row = Authorization.objects.get()
    Authorization.objects.filter(pk=row.pk).update(generation=row.generation - generations, rotated=None)


def rotated(gatehouse: World, times: int) -> list[str]:
    """The refresh tokens of one family, the oldest first."""
    found = [gatehouse.signed_in_tokens()["refresh_token"]]
    for _ in range(times):
        found.append(body(gatehouse.refresh(found[-1]))["refresh_token"])
    return found


class TestARotationThatWasLost:
    """A token that is newer than its row is none that was stolen: its MAC proves that we issued it (decision 0046)."""

    @pytest.mark.parametrize(("rotations", "lost"), [(1, 1), (2, 1), (2, 2), (5, 1), (5, 3), (5, 5)])
    def test_the_client_goes_on_with_what_it_has(self, gatehouse: World, rotations: int, lost: int) -> None:
        tokens = rotated(gatehouse, rotations)
        forgotten(lost)
        answer = gatehouse.refresh(tokens[-1])
        assert answer.status_code == 200, answer.content
        row = Authorization.objects.get()
        assert (row.generation, row.revoked) == (rotations + 1, None)
        assert gatehouse.refresh(body(answer)["refresh_token"]).status_code == 200
        (event,) = AuditEvent.objects.filter(event="token:authorization:rotation_recovered")
        assert event.detail == {"presented": rotations, "current": rotations - lost}
        assert not AuditEvent.objects.filter(event="token:authorization:family_revoked").exists()

    @pytest.mark.parametrize("older", [0, 1, 2])
    def test_a_token_used_before_the_power_cut_is_a_replay_again(self, gatehouse: World, older: int) -> None:
        tokens = rotated(gatehouse, 3)
        forgotten(3)
        assert gatehouse.refresh(tokens[3]).status_code == 200
        assert gatehouse.refresh(tokens[older]).status_code == 400
        assert Authorization.objects.get().revoked_reason == "refresh_token_replayed"

    @pytest.mark.parametrize("generation", [1, 7, 10**9, "x", "", "-1", "+1", "01"])
    def test_a_generation_that_was_only_written_over_is_not_ours(self, gatehouse: World, generation: object) -> None:
        authorization, _, mac = gatehouse.signed_in_tokens()["refresh_token"].split(".")
        assert gatehouse.refresh(f"{authorization}.{generation}.{mac}").status_code == 400
        assert Authorization.objects.get().revoked is None

    def test_a_family_that_has_ended_stays_so(self, gatehouse: World) -> None:
        tokens = rotated(gatehouse, 2)
        assert gatehouse.refresh(tokens[0]).status_code == 400
        forgotten(2)
        assert gatehouse.refresh(tokens[-1]).status_code == 400

    def test_many_at_once_get_one_successor(self, committed_gatehouse: World) -> None:
        tokens = rotated(committed_gatehouse, 3)
        forgotten(2)
        answers = refreshes(tokens[-1])
        assert {answer.status_code for answer in answers} == {200}
        assert len({body(answer)["refresh_token"] for answer in answers}) == 1
        assert Authorization.objects.get().generation == 4
        assert AuditEvent.objects.filter(event="token:authorization:rotation_recovered").count() == 1
