"""The rules' history: complete for every writer, named by every decision, repeatable, and restorable."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from authz import decisions
from authz.configuration import apply
from authz.configuration.engine import By
from authz.database import configuration_cache
from authz.decisions import past_decisions, rule_history
from authz.models import AuditEvent, Client, Rule, RuleAuthor, RuleChange
from authz.policy import Outcome
from tests.support import append_only
from tests.support.world import NOTES, SECRET, World, claims, person

DEFINITION = {"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["mcp:read"]}


def policy(*arguments: str) -> str:
    output = StringIO()
    call_command("policy", *arguments, stdout=output, no_color=True)
    return output.getvalue()


def newest() -> RuleChange:
    return RuleChange.objects.order_by("-id")[0]


def rules_now() -> dict[str, tuple[str, bool, Any]]:
    return {row.name: (row.effect, row.enabled, row.definition) for row in Rule.objects.all()}


def test_a_change_by_any_way_is_a_version(gatehouse: World) -> None:
    seen = [rule_history.number()]
    row = Rule.objects.create(name="Everybody reads", effect="allow", definition=DEFINITION)
    seen.append(rule_history.number())
    row.enabled = False
    row.save()
    seen.append(rule_history.number())
    Rule.objects.filter(pk=row.pk).update(effect="deny")
    seen.append(rule_history.number())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE authz_rule SET name = 'At the prompt' WHERE id = %s", [row.pk])
    seen.append(rule_history.number())
    Rule.objects.bulk_create([Rule(name="In bulk", effect="deny", definition=DEFINITION)])
    seen.append(rule_history.number())
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM authz_rule WHERE id = %s", [row.pk])
    seen.append(rule_history.number())

    assert seen == sorted(set(seen))
    assert [c.action for c in RuleChange.objects.filter(rule=row.pk).order_by("id")] == [
        "created", "changed", "changed", "changed", "removed",
    ]  # fmt: skip
    assert {c.author for c in RuleChange.objects.filter(rule=row.pk)} == {""}


def test_saving_what_is_there_already_is_no_version(gatehouse: World) -> None:
    before = rule_history.number()
    Rule.objects.get(name="Agents read notes").save()
    assert rule_history.number() == before


def test_what_is_rolled_back_leaves_no_version_and_no_author(gatehouse: World) -> None:
    before = rule_history.number()
    with pytest.raises(RuntimeError), transaction.atomic(), rule_history.written_by("alice", "console"):
        Rule.objects.create(name="Never", effect="allow", definition=DEFINITION)
        raise RuntimeError
    assert rule_history.number() == before
    assert not RuleAuthor.objects.exists()


def test_apply_says_who_and_the_outer_writer_has_the_word(gatehouse: World) -> None:
    text = f"rules: [{json.dumps({'name': 'Applied', 'effect': 'deny', **DEFINITION})}]"
    apply(text, by=By("root"))
    assert (newest().author, newest().how) == ("root", "apply")

    with rule_history.written_by("alice", "api"):
        apply(text.replace("Applied", "Sent"))
    assert (newest().author, newest().how) == ("alice", "api")

    Rule.objects.create(name="Unknown author", effect="allow", definition=DEFINITION)
    assert newest().author == ""


def test_a_dry_run_leaves_no_version(gatehouse: World) -> None:
    before = rule_history.number()
    apply(f"rules: [{json.dumps({'name': 'Applied', 'effect': 'deny', **DEFINITION})}]", dry_run=True)
    assert rule_history.number() == before


def test_the_history_cannot_be_changed(db: None) -> None:
    Rule.objects.create(name="One", effect="allow", definition=DEFINITION)
    for statement in ("UPDATE authz_rulechange SET author = 'Charlie'", "DELETE FROM authz_rulechange"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_token_names_its_rules_their_version_and_its_ask_at_no_extra_statement(
    gatehouse: World, django_assert_num_queries: Any
) -> None:
    gatehouse.machine_token()
    # The generation, and the audit event.
    with django_assert_num_queries(2):
        gatehouse.machine_token()

    detail = AuditEvent.objects.filter(event="token:access:issued").latest("id").detail
    assert detail["rules"] == ["Agents read notes"]
    assert re.fullmatch(rf"{rule_history.number()}-[0-9a-f]{{16}}", detail["ruleset"])
    assert detail["ask"] == {
        "owner": "alice",
        "grant_type": "client_credentials",
        "scopes": [["mcp:read", "low"], ["mcp:write", "high"]],
    }


def test_equal_rules_have_equal_digests_and_a_version_names_them(gatehouse: World) -> None:
    configuration_cache.forget()
    version = decisions.cached_rules().version
    assert rule_history.rule_set(rule_history.number()).version == version

    Rule.objects.create(name="Passing", effect="allow", definition=DEFINITION)
    Rule.objects.filter(name="Passing").delete()
    configuration_cache.forget()

    again = decisions.cached_rules().version
    assert again.partition("-")[2] == version.partition("-")[2]
    assert again != version


def test_no_rule_at_all_is_a_version_too(gatehouse: World) -> None:
    Rule.objects.all().delete()
    configuration_cache.forget()
    assert decisions.cached_rules().version.startswith(f"{rule_history.number()}-")


def test_a_rule_that_is_switched_off_may_be_unreadable(gatehouse: World) -> None:
    Rule.objects.create(name="Scribble", effect="allow", enabled=False, definition={"clients": 7})
    assert gatehouse.machine_token()["access_token"]


def test_a_refusal_by_rules_keeps_its_ask(gatehouse: World) -> None:
    Rule.objects.filter(name="Agents read notes").update(effect="deny", definition=DEFINITION)
    gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials")
    detail = AuditEvent.objects.filter(event="token:access:refused").latest("id").detail
    assert detail["rules"] == ["Agents read notes"]
    assert detail["resource"] == NOTES
    assert detail["ask"]["scopes"] == [["mcp:read", "low"], ["mcp:write", "high"]]


def test_what_was_allowed_then_is_replayed_although_the_rules_and_the_agent_have_changed(gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.get(event="token:access:issued")
    Rule.objects.filter(name="Agents read notes").delete()
    Client.objects.filter(client_id="nightly-report").update(owner=None, status="retired")

    found = past_decisions.of_event(event)

    assert found.explanation.decision.effect is Outcome.ALLOW
    assert found.explanation.decision.rules == ("Agents read notes",)
    assert found.explanation.decision.ruleset == event.detail["ruleset"]
    assert found.explanation.question.client_owner == "alice"
    assert found.notes == ()


def test_a_replay_says_when_the_history_is_not_what_the_event_saw(gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.get(event="token:access:issued")
    # As if the triggers had been dropped, or the table falsified.
    with append_only.lifted():
        RuleChange.objects.filter(name="Agents read notes").update(enabled=False)

    found = past_decisions.of_event(event)

    assert any("changed past it" in note for note in found.notes)
    assert any("the replay refuses it" in note for note in found.notes)


def test_an_event_from_before_the_record_is_replayed_with_todays_facts_and_says_so(gatehouse: World) -> None:
    gatehouse.machine_token()
    with append_only.lifted():
        AuditEvent.objects.update(detail={"grant_type": "client_credentials", "scope": "mcp:read"})

    found = past_decisions.of_event(AuditEvent.objects.get(event="token:access:issued"))

    assert found.explanation.decision.effect is Outcome.ALLOW
    assert len(found.notes) == 2


def test_a_person_token_is_replayed_with_the_groups_of_then(gatehouse: World) -> None:
    token = gatehouse.signed_in_tokens()["access_token"]
    person("bob").groups.clear()

    event = past_decisions.event_of_token(claims(token)["jti"], claims(token)["authorization"])
    found = past_decisions.of_event(event)

    assert found.explanation.question.groups == ("engineering",)
    assert found.explanation.decision.effect is Outcome.ALLOW
    assert found.notes == ()


def test_the_command_replays_a_token_and_a_time(gatehouse: World, tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text(gatehouse.machine_token()["access_token"])
    then = datetime.now(UTC) + timedelta(seconds=1)
    with append_only.lifted():
        RuleChange.objects.update(time=then - timedelta(hours=1))
    Rule.objects.filter(name="Agents read notes").delete()
    with append_only.lifted():
        RuleChange.objects.filter(action="removed").update(time=then + timedelta(hours=1))

    assert "ALLOW: narrowed" in policy("replay", "--token", str(file))
    assert "+ permits   Agents read notes" in policy("replay", "--jti", claims(file.read_text())["jti"])
    asked = ("--client", "nightly-report", "--resource", NOTES)
    said = policy("replay", "--at", then.isoformat(), *asked)
    assert "ALLOW: narrowed" in said
    assert "the agent, the person and the groups are today's" in said
    assert policy("explain", *asked).startswith("DENY")
    with pytest.raises(CommandError, match="holds no access token"):
        policy("replay", "--token", __file__)


def test_a_refusal_is_replayed_by_its_reference_and_decided_again_today(gatehouse: World) -> None:
    Rule.objects.filter(name="Agents read notes").update(enabled=False)
    answer = gatehouse.token(grant_type="client_credentials", resource=NOTES, basic=("nightly-report", SECRET))
    assert answer.status_code == 400
    address = json.loads(answer.content)["error_uri"]
    Rule.objects.filter(name="Agents read notes").update(enabled=True)

    for reference in (address, address.rpartition("=")[2], answer["X-Request-Id"].upper()):
        then, _, today = policy("replay", "--request", reference).partition("\nToday, by ")
        assert "DENY: no rule allows" in then and "mcp:read: not granted" in then
        assert "ALLOW: narrowed" in today and "mcp:read: permitted by “Agents read notes”" in today
    assert json.loads(policy("replay", "--request", address, "--json"))["today"]["effect"] == "allow"

    Client.objects.filter(client_id="nightly-report").update(status="suspended")
    assert "DENY: client not approved" in policy("replay", "--request", address).partition("\nToday, by ")[2]


def test_a_reference_without_a_decision_says_so(gatehouse: World) -> None:
    with pytest.raises(CommandError, match="No event has this reference"):
        policy("replay", "--request", "0" * 32)
    answer = gatehouse.token(
        grant_type="client_credentials", scope="odd", resource=NOTES, basic=("nightly-report", SECRET)
    )
    with pytest.raises(CommandError, match=r"No rules were asked in this request: token:access:refused \(scope"):
        policy("replay", "--request", answer["X-Request-Id"])


def test_explain_shows_what_is_switched_off_and_out_of_its_validity(gatehouse: World) -> None:
    Rule.objects.filter(name="Agents read notes").update(enabled=False)
    for name, conditions in (("Over", {"not_after": "2001-01-01"}), ("To come", {"not_before": "2901-01-01"})):
        Rule.objects.create(name=name, effect="allow", definition={**DEFINITION, "conditions": conditions})

    said = policy("explain", "--client", "nightly-report", "--resource", NOTES)

    assert said.startswith("DENY")
    assert "  no match  Agents read notes (switched off): (Switched off.)" in said
    assert "  no match  Over (no longer in force)" in said
    assert "  no match  To come (not yet in force)" in said


# --- Going back -----------------------------------------------------------------------------------------------------


def test_going_back_restores_all_rules_as_a_new_version_and_is_recorded(gatehouse: World) -> None:
    before, version = rules_now(), rule_history.number()
    one, two = Rule.objects.order_by("id")[:2]
    # They swap their names, one is switched off, and another rule is added.
    Rule.objects.filter(pk=one.pk).update(name="aside")
    Rule.objects.filter(pk=two.pk).update(name=one.name, enabled=False)
    Rule.objects.filter(pk=one.pk).update(name=two.name)
    Rule.objects.create(name="New", effect="allow", definition=DEFINITION)

    said = policy("restore", str(version), "--by", "alice")

    assert said.endswith("3 rules restored from version 2.\n".replace("2", str(version)))
    assert rules_now() == before
    assert rule_history.number() > version
    assert newest().author == "alice"
    assert AuditEvent.objects.filter(detail__restored=version, detail__by="alice").count() == 3
    assert policy("restore", str(version), "--by", "alice") == "Nothing to restore.\n"


def test_one_rule_goes_back_alone_even_after_its_removal(gatehouse: World) -> None:
    version, row = rule_history.number(), Rule.objects.get(name="Agents read notes")
    Rule.objects.exclude(pk=row.pk).update(enabled=False)
    Rule.objects.filter(pk=row.pk).delete()

    assert "1 rule restored" in policy("restore", str(version), "--rule", "Agents read notes", "--by", "alice")

    assert Rule.objects.get(name="Agents read notes").pk == row.pk
    assert not Rule.objects.exclude(pk=row.pk).filter(enabled=True).exists()


def test_a_rule_does_not_go_back_over_another_of_its_name(gatehouse: World) -> None:
    version, row = rule_history.number(), Rule.objects.get(name="Agents read notes")
    Rule.objects.filter(pk=row.pk).delete()
    Rule.objects.create(name=row.name, effect="deny", definition=DEFINITION)
    before = rules_now()
    with pytest.raises(rule_history.CannotRestore):
        rule_history.restore(version, by=person("alice"), how="test", rule=row.pk)
    assert rules_now() == before


def test_only_an_administrator_goes_back(gatehouse: World) -> None:
    with pytest.raises(CommandError, match="not an administrator"):
        policy("restore", str(rule_history.number()), "--by", "bob")


def test_the_history_reads_as_sentences(gatehouse: World) -> None:
    with rule_history.written_by("alice", "console"):
        Rule.objects.filter(name="Agents read notes").update(enabled=False)

    said = policy("history", "--rule", "Agents read notes")

    assert "changed  Agents read notes, by alice (console)" in said
    assert "    + allow. (Switched off.) Nightly-report" in said or "(Switched off.)" in said
    assert said.index("changed") < said.index("created")
