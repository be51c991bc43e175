"""What is said of an end: pure."""

from datetime import UTC, datetime

import pytest

from xaa.signals import subjects
from xaa.signals.event_types import EventType, check
from xaa.signals.sending import saying
from xaa.signals.sending.saying import Person
from xaa.signals.subjects import Complex, Email, IssSub, Opaque, Subject

WHEN = datetime(2026, 11, 30, 12, 0, 0, 500_000, tzinfo=UTC)
BOB = Person("https://id.example/o", "b0b", "bob@example.com")
BY_ADDRESS = Person("https://id.example/o", "b0b", "bob@example.com", by_address=True)
ISS_SUB = IssSub("https://id.example/o", "b0b")


@pytest.mark.parametrize("reason", [*saying.REASONS, "a reason of an extension"])
def test_each_reason_has_words_and_is_well_formed(reason: str) -> None:
    said = saying.revoked(BOB.subject, reason, WHEN, BOB.names)
    check(said.event_type, said.claims)
    assert said.claims["event_timestamp"] == int(WHEN.timestamp())
    assert said.claims["reason_admin"]["en"].endswith(".")
    assert said.claims["initiating_entity"] in {"admin", "user", "policy", "system"}


def test_a_changed_credential_is_well_formed() -> None:
    said = saying.credential_changed(BOB, "password", saying.CredentialChange.UPDATE, WHEN, saying.USER)
    check(EventType.CREDENTIAL_CHANGE, said.claims)
    assert said.subject == ISS_SUB


@pytest.mark.parametrize(
    "person, expected",
    [
        (BOB, ISS_SUB),
        (BY_ADDRESS, Email("bob@example.com")),
        (Person("https://id.example/o", "b0b", "", True), ISS_SUB),
    ],
)
def test_what_a_person_is_called(person: Person, expected: Subject) -> None:
    assert person.subject == expected


def test_the_same_of_the_same_moment_is_said_once() -> None:
    one, two = (saying.revoked(BOB.subject, "cut_off", WHEN, BOB.names) for _ in range(2))
    assert one.digest == two.digest
    assert one.digest != saying.revoked(BOB.subject, "removed", WHEN).digest
    assert one.digest != saying.revoked(saying.of_authorization(BOB, "agent"), "cut_off", WHEN).digest


OF_AGENT = saying.of_authorization(BOB, "agent", "4f2c")


@pytest.mark.parametrize(
    "subject, excluded, expected",
    [
        (ISS_SUB, ISS_SUB, True),
        (ISS_SUB, Email("bob@example.com"), True),
        (ISS_SUB, Email("alice@example.com"), False),
        (ISS_SUB, IssSub("https://id.example/o", "alice"), False),
        (ISS_SUB, IssSub("https://other.example/o", "b0b"), False),
        # A person who was removed, was removed with all of their agents.
        (OF_AGENT, ISS_SUB, True),
        (OF_AGENT, Complex({"user": ISS_SUB}), True),
        (OF_AGENT, Complex({"user": ISS_SUB, "application": Opaque("agent")}), True),
        (OF_AGENT, Complex({"user": Email("bob@example.com"), "application": Opaque("agent")}), True),
        (OF_AGENT, Complex({"user": ISS_SUB, "application": Opaque("another")}), False),
        (OF_AGENT, Complex({"user": ISS_SUB, "device": Opaque("laptop")}), False),
        # Removing one agent of a person removes not the person.
        (ISS_SUB, Complex({"user": ISS_SUB, "application": Opaque("agent")}), False),
    ],
)
def test_who_is_removed(subject: Subject, excluded: Subject, expected: bool) -> None:
    said = saying.revoked(subject, "cut_off", WHEN, BOB.names)
    assert saying.is_excluded(said, excluded) is expected
    assert saying.is_excluded(said, subjects.read(subjects.as_json(excluded))) is expected
