"""Attack 54: an event about one agent or one session of a person ends that, and never more."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client as Browser

from authz.conf import conf
from authz.configuration import apply
from authz.models import Authorization
from tests.support.races import at_once
from tests.support.world import NOTES, REDIRECT, VERIFIER, hidden_fields, person, redirect_parameters
from tests.xaa.company import AGENT, CHARLIES_AGENT, IDP, JWT_BEARER, refused
from tests.xaa.signals.test_confusion import complex_
from tests.xaa.signals.transmitter import BOB, Transmitter, configure
from tests.xaa.upstream import Upstream, configuration, upstream
from xaa.models import ReceivedSignal, SubjectLink
from xaa.signals.event_types import EventType
from xaa.signals.receiving import holding

__all__ = ["upstream"]
REVOKED, DISABLED, CLAIMS = EventType.SESSION_REVOKED, EventType.ACCOUNT_DISABLED, EventType.TOKEN_CLAIMS_CHANGE
OTHER = "https://other-idp.example"
RULES = f"""
rules:
  - name: Another agent reaches Notes across apps
    effect: allow
    clients: ["{CHARLIES_AGENT[0]}"]
    groups: [engineering]
    grant_types: ["{JWT_BEARER}"]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
"""


def opaque(text: str) -> dict[str, str]:
    return {"format": "opaque", "id": text}


def iss_sub(iss: str, sub: str) -> dict[str, str]:
    return {"format": "iss_sub", "iss": iss, "sub": sub}


def jwt_id(jti: str, iss: str = IDP) -> dict[str, str]:
    return {"format": "jwt_id", "iss": iss, "jti": jti}


def aliases(*identifiers: Any) -> dict[str, Any]:
    return {"format": "aliases", "identifiers": list(identifiers)}


ADDRESS, JAG = {"format": "email", "email": "bob@example.com"}, jwt_id("jag-of-the-agent")
AGENT_HERE, OTHER_AGENT = opaque(AGENT[0]), opaque(CHARLIES_AGENT[0])
# The subject → what bob has left: by ID-JAGs (a)gent and (c)harlie's agent, by sign-ins that the issuer calls 1 and 2
# (s)essions, and in the first an (n)ative code grant of the agent.
ALL = "acns1s2"
SUBJECTS: list[tuple[str, Any, str, str]] = [
    ("the person", BOB, "", "acted"),
    ("the person among one's own", complex_(user=BOB, tenant=opaque("acme")), "", "acted"),
    ("a unit and a group of theirs", complex_(user=BOB, org_unit=opaque("x"), group=opaque("y")), "", "acted"),
    ("a device, which is not known here", complex_(user=BOB, device=opaque("x")), "", "acted"),
    ("one agent, by its id here", complex_(user=BOB, application=AGENT_HERE), "cs1s2", "acted"),
    ("one agent, as ours", complex_(user=BOB, application=iss_sub(conf.issuer, AGENT[0])), "cs1s2", "acted"),
    ("one agent, by its id there", complex_(user=BOB, application=opaque("agent-at-idp")), "cs1s2", "acted"),
    ("one agent, as theirs", complex_(user=BOB, application=iss_sub(IDP, "agent-at-idp")), "cs1s2", "acted"),
    ("by both", complex_(user=BOB, application=aliases(AGENT_HERE, opaque("agent-at-idp"))), "cs1s2", "acted"),
    ("another agent", complex_(user=BOB, application=OTHER_AGENT), "ans1s2", "acted"),
    ("us, as the issuer's client", complex_(user=BOB, application=opaque("gatehouse-at-idp")), "ac", "acted"),
    ("an agent that is not here", complex_(user=BOB, application=opaque("none")), ALL, "no_person"),
    ("ours, as theirs", complex_(user=BOB, application=iss_sub(IDP, AGENT[0])), ALL, "no_person"),
    ("another issuer's", complex_(user=BOB, application=iss_sub(OTHER, AGENT[0])), ALL, "refused"),
    ("two agents", complex_(user=BOB, application=aliases(AGENT_HERE, OTHER_AGENT)), ALL, "refused"),
    ("in a form unknown", complex_(user=BOB, application={"format": "theirs"}), ALL, "no_person"),
    ("of no one", complex_(application=AGENT_HERE), ALL, "no_person"),
    # An assertion and a token name no session, so they may rest on any.
    ("one session", complex_(user=BOB, session=opaque("there-1")), "s2", "acted"),
    ("another", complex_(user=BOB, session=opaque("there-2")), "ns1", "acted"),
    ("another issuer's session", complex_(user=BOB, session=iss_sub(OTHER, "there-1")), ALL, "refused"),
    ("a session by an address", complex_(user=BOB, session=ADDRESS), ALL, "no_person"),
    ("a session alone", opaque("there-1"), "s2", "acted"),
    ("a session alone, in a complex subject", complex_(session=opaque("there-1")), "s2", "acted"),
    ("a session that is not here", complex_(session=opaque("there-9")), ALL, "no_person"),
    ("one authorization", complex_(user=BOB, session=JAG), "cns1s2", "acted"),
    ("a token alone", JAG, "cns1s2", "acted"),
    ("another issuer's token", complex_(user=BOB, session=jwt_id("jag-of-the-agent", OTHER)), ALL, "refused"),
    ("two tokens", complex_(user=BOB, session=aliases(jwt_id("1"), jwt_id("2"))), ALL, "refused"),
    ("agent and session", complex_(user=BOB, application=AGENT_HERE, session=opaque("there-2")), "cns1s2", "acted"),
    ("an agent and another's token", complex_(user=BOB, application=OTHER_AGENT, session=JAG), ALL, "acted"),
    ("a member of theirs", complex_(user=BOB, workload=AGENT_HERE), ALL, "no_person"),
    ("someone else's agent", complex_(user=BOB | {"sub": "dora-at-idp"}, application=AGENT_HERE), ALL, "no_person"),
]  # fmt: skip


class Bob:
    """What bob has by the issuer."""

    def __init__(self, upstream: Upstream) -> None:
        apply(configuration(accepts=["id_token", "id-jag"], client_ids={"agent-at-idp": AGENT[0]}))
        apply(RULES)
        self.upstream, self.company = upstream, upstream.company
        self.browsers = {name: self._browser(sid) for name, sid in (("s1", "there-1"), ("s2", "there-2"))}
        first = self.browsers["s1"]
        url = self.company.authorize_url(client_id=AGENT[0])
        found = redirect_parameters(first.post(url, hidden_fields(first.get(url)) | {"allow": "true"}))
        self.tokens = {
            "a": self._redeemed("jag-of-the-agent", AGENT),
            "c": self._redeemed("jag-of-the-other", CHARLIES_AGENT),
            "n": self._token(
                self.company.token(
                    basic=AGENT,
                    grant_type="authorization_code",
                    code=found["code"],
                    redirect_uri=REDIRECT,
                    code_verifier=VERIFIER,
                )
            ),
        }

    def _browser(self, sid: str) -> Browser:
        self.upstream.browser, self.upstream.claims = Browser(), {"sid": sid}
        self.upstream.sign_in()
        return self.upstream.browser

    def _redeemed(self, jti: str, agent: tuple[str, str]) -> str:
        return self._token(self.company.redeem_assertion(self.jag(agent, jti=jti), basic=agent))

    def _token(self, answer: Any) -> str:
        assert answer.status_code == 200, answer.content
        return str(json.loads(answer.content)["access_token"])

    def jag(self, agent: tuple[str, str], **changes: Any) -> str:
        return self.company.idp.id_jag(client_id=agent[0], **changes)

    def left(self) -> str:
        live = [name for name, token in self.tokens.items() if self.company.introspect(token)["active"]]
        signed_in = [name for name, one in self.browsers.items() if SESSION_KEY in one.session]
        return "".join((*live, *signed_in))


@pytest.fixture
def bob(upstream: Upstream) -> Bob:
    return Bob(upstream)


@pytest.fixture
def stream(bob: Bob) -> Transmitter:
    return Transmitter(bob.company.idp, configure())


@pytest.mark.parametrize(
    ("subject", "left", "outcome"), [row[1:] for row in SUBJECTS], ids=[row[0] for row in SUBJECTS]
)
def test_what_a_subject_leaves(bob: Bob, stream: Transmitter, subject: Any, left: str, outcome: str) -> None:
    assert bob.left() == ALL
    stream.send(REVOKED, subject)
    row = ReceivedSignal.objects.get()
    assert (bob.left(), row.outcome) == (left, outcome), row.note
    assert person("bob").is_active


ONE_AGENT = complex_(user=BOB, application=AGENT_HERE)
ONE_SESSION = complex_(user=BOB, session=opaque("there-1"))


@pytest.mark.parametrize(
    ("event", "subject", "left"),
    [(DISABLED, ONE_AGENT, "cs1s2"), (REVOKED, ONE_AGENT, "cs1s2"), (DISABLED, ONE_SESSION, "s2")],
)
def test_the_account_is_more_than_an_agent(
    bob: Bob, stream: Transmitter, event: EventType, subject: Any, left: str
) -> None:
    configure(actions={"session-revoked": "end"})
    stream.send(event, subject)
    assert (bob.left(), person("bob").is_active) == (left, True)


@pytest.mark.parametrize("event", [EventType.ACCOUNT_ENABLED, EventType.IDENTIFIER_CHANGED])
def test_nor_is_it_given_back_or_renamed_for_one(bob: Bob, stream: Transmitter, event: EventType) -> None:
    stream.send(DISABLED, BOB)
    stream.send(event, ONE_AGENT)
    assert ReceivedSignal.objects.get(event_type=event).note == "It is about less than the person."
    assert (person("bob").is_active, person("bob").email) == (False, "bob@example.com")


def test_a_group_is_not_one_agents(bob: Bob, stream: Transmitter) -> None:
    issuer = stream.source.issuer
    issuer.groups_claim = "groups"
    issuer.save()
    stream.send(CLAIMS, ONE_AGENT, {"claims": {"groups": [], "acr": "low"}})
    assert person("bob").groups.filter(name="engineering").exists()
    levels = dict(Authorization.objects.values_list("client__client_id", "acr").filter(resource__isnull=False))
    assert (levels[AGENT[0]], levels[CHARLIES_AGENT[0]]) == ("low", "")


def test_a_preview_counts_the_part(bob: Bob, stream: Transmitter) -> None:
    configure(preview=True)
    for subject, count in ((BOB, 5), (ONE_AGENT, 2), (ONE_SESSION, 4)):
        stream.send(REVOKED, subject)
        assert ReceivedSignal.objects.first().ended == count  # type: ignore[union-attr]
    assert bob.left() == ALL


class TestOnTheirWay:
    """Attack 14: what the issuer gave one agent before it ended that."""

    def test_its_assertions_of_before_count_no_more(self, bob: Bob, stream: Transmitter) -> None:
        now = int(time.time())
        held, others = bob.jag(AGENT, iat=now - 20), bob.jag(CHARLIES_AGENT, iat=now - 20)
        id_token = bob.company.idp.id_token(iat=now - 20)
        assert bob.company.exchange(id_token).status_code == 200
        stream.send(REVOKED, ONE_AGENT, iat=now - 10)
        assert refused(bob.company.redeem_assertion(held)) == (400, "invalid_grant")
        assert bob.company.exchange(id_token).status_code == 400
        assert bob.company.redeem_assertion(others, basic=CHARLIES_AGENT).status_code == 200
        assert bob.company.redeem_assertion(bob.jag(AGENT, iat=now)).status_code == 200

    def test_an_older_event_does_not_bring_them_back(self, bob: Bob, stream: Transmitter) -> None:
        now = int(time.time())
        for at in (now - 10, now - 60):
            stream.send(REVOKED, ONE_AGENT, iat=at)
        assert bob.company.redeem_assertion(bob.jag(AGENT, iat=now - 20)).status_code == 400

    def test_an_undo_gives_them_back(self, bob: Bob, stream: Transmitter) -> None:
        from datetime import UTC, datetime

        now = int(time.time())
        held = bob.jag(AGENT, iat=now - 20)
        stream.send(REVOKED, ONE_AGENT, iat=now - 10)
        holding.undo(ReceivedSignal.objects.get(), by="alice", now=datetime.now(UTC))
        assert bob.company.redeem_assertion(held).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_whichever_is_first_nothing_of_before_is_left(self, bob: Bob, stream: Transmitter) -> None:
        """Of assertions and the event at once: what was redeemed first ends, and what comes second is refused."""
        now = int(time.time())
        held = [bob.jag(AGENT, iat=now - 20) for _ in range(3)]
        acts: list[Callable[[], Any]] = [
            *(lambda one=one: bob.company.redeem_assertion(one).status_code for one in held),  # type: ignore[misc]
            lambda: stream.send(REVOKED, ONE_AGENT, iat=now),
        ]
        at_once(acts)
        link = SubjectLink.objects.get(user__username="bob", issuer__issuer=IDP)
        assert link.agents_not_before == {AGENT[0]: now}
        live = Authorization.objects.filter(client__client_id=AGENT[0], revoked=None, lineage__issuer=IDP)
        assert not live.exists()
