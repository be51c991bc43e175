"""Our access tokens at a transmitter: where they come from, how long they are kept, and who gets the secret."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from authz.configuration import ConfigurationError, export
from authz.keys import reencryption
from authz.outbound import Cause, OutboundError, Response, Role
from tests.cimd.test_console import browser
from tests.xaa.company import IDP
from tests.xaa.signals.there import There, there
from tests.xaa.signals.transmitter import Transmitter, configure
from xaa.models import SignalSource, SignalSourceState
from xaa.signals.receiving import access_tokens, doctor, keys, polling, state, transmitter

__all__ = ["there"]
SECRET = "the-transmitter-gave-us-this-0123456789"
CLIENT = {"client_id": "gatehouse", "client_secret": SECRET}
RESOURCE = f"{IDP}/ssf"
RESOURCE_METADATA = f"{IDP}/.well-known/oauth-protected-resource/ssf"
BASIC = "Basic " + base64.b64encode(f"gatehouse:{SECRET}".encode()).decode()


class WithTokens(There):
    """The same transmitter, whose endpoints want an access token that its token endpoint has given."""

    def __init__(self) -> None:
        super().__init__()
        self.document["authorization_schemes"] = [{"spec_urn": "urn:ietf:rfc:6749"}]
        self.resource: dict[str, Any] | None = {
            "resource": RESOURCE,
            "authorization_servers": [IDP],
            "scopes_supported": ["ssf.manage", "ssf.read", "other"],
        }
        self.server: dict[str, Any] = {"issuer": IDP, "token_endpoint": f"{IDP}/token"}
        self.answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        self.given: list[str] = []
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []

    def fetch(self, role: Role, url: str, **more: Any) -> Response:
        parts, headers = urlsplit(url), dict(more.get("headers") or {})
        if parts.path.startswith("/.well-known/oauth-protected-resource"):
            return self._answer(self.resource)
        if parts.path == "/.well-known/openid-configuration":
            return self._answer(self.server)
        if parts.path == "/token":
            form = {name: values[0] for name, values in parse_qs(more["body"].decode()).items()}
            self.asked.append((url, headers, form))
            self.given.append(f"access-token-{len(self.given)}")
            return self._answer({"access_token": self.given[-1], **self.answer})
        if not parts.path.startswith("/.well-known/") and headers.get("Authorization") != f"Bearer {self.good}":
            told = f'Bearer resource_metadata="{RESOURCE_METADATA}"' if self.resource else "Bearer"
            raise OutboundError(Cause.STATUS, status=401, challenge=told)
        more["headers"] = headers | {"Authorization": "Bearer our-token-at-the-transmitter"}
        return super().fetch(role, url, **more)

    @property
    def good(self) -> str:
        return self.given[-1] if self.given else "none"


@pytest.fixture
def server(okta: Transmitter, monkeypatch: pytest.MonkeyPatch) -> Iterator[WithTokens]:
    found = WithTokens()
    for module in (transmitter, polling, access_tokens):
        monkeypatch.setattr(module, "fetch", found.fetch)
    okta.source = configure(**CLIENT)
    access_tokens.forget(okta.source)
    yield found
    access_tokens.forget(okta.source)


def signals(*arguments: str) -> None:
    call_command("signals", *arguments, verbosity=0)


def test_one_token_serves_until_it_is_about_to_expire(server: WithTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    signals("create", "Okta")
    signals("verify", "Okta")
    ((url, headers, form),) = server.asked
    assert (url, headers["Authorization"]) == (f"{IDP}/token", BASIC)
    assert form == {"grant_type": "client_credentials", "scope": "ssf.manage ssf.read", "resource": RESOURCE}
    clock = time.monotonic()
    for later, asked in ((3500, 1), (3575, 2)):
        monkeypatch.setattr(access_tokens.time, "monotonic", lambda later=later: clock + later)
        signals("status", "Okta")
        assert len(server.asked) == asked


def test_one_that_was_ended_there_is_replaced_once(server: WithTokens) -> None:
    signals("create", "Okta")
    server.given.append("none-that-we-have")
    signals("status", "Okta")
    assert len(server.asked) == 2


def test_a_poll_uses_it_too(server: WithTokens) -> None:
    configure(delivery="poll", **CLIENT)
    signals("create", "Okta")
    SignalSourceState.objects.update(due=0)
    server.given.append("none-that-we-have")
    assert polling.run() is False
    assert (len(server.polls), len(server.asked)) == (1, 2)
    assert SignalSourceState.objects.get().failures == 0


def test_the_secret_in_the_body_where_it_has_to_be(server: WithTokens) -> None:
    server.server["token_endpoint_auth_methods_supported"] = ["client_secret_post", "private_key_jwt"]
    signals("create", "Okta")
    _, headers, form = server.asked[0]
    assert (form["client_id"], form["client_secret"], headers.get("Authorization")) == ("gatehouse", SECRET, None)


def test_without_resource_metadata(server: WithTokens) -> None:
    server.resource = None
    signals("create", "Okta")
    assert server.asked[0][2] == {"grant_type": "client_credentials", "scope": "ssf.manage ssf.read"}


def test_the_address_that_was_entered(server: WithTokens) -> None:
    server.resource = {"resource": RESOURCE, "authorization_servers": ["https://as.example"]}
    configure(**CLIENT, token_endpoint="https://as.example/token", scope="ssf.read")
    signals("create", "Okta")
    assert server.asked[0][0] == "https://as.example/token"
    assert server.asked[0][2]["scope"] == "ssf.read"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"document": {"authorization_schemes": [{"spec_urn": "urn:ietf:rfc:8705"}]}}, "does not name OAuth"),
        ({"resource": {"authorization_servers": ["https://thief.example"]}}, "another authorization server"),
        ({"resource": {"authorization_servers": [f"{IDP}/"]}}, "another authorization server"),
        ({"resource": {"resource": "https://thief.example/ssf"}}, "about another resource"),
        ({"resource": {"resource": f"{IDP}/ss"}}, "about another resource"),
        ({"server": {"issuer": "https://thief.example"}}, "of another issuer"),
        ({"server": {"token_endpoint": "http://thief.example/token"}}, "no token_endpoint"),
        ({"server": {"token_endpoint": None}}, "no token_endpoint"),
    ],
)
def test_the_secret_goes_to_no_one_else(server: WithTokens, changes: dict[str, Any], words: str) -> None:
    """Attack 54: metadata that would have our secret sent to a server of its choice."""
    for name, members in changes.items():
        getattr(server, name).update(members)
    with pytest.raises(CommandError, match=words):
        signals("create", "Okta")
    assert server.asked == []


@pytest.mark.parametrize(
    "answer",
    [{"token_type": "DPoP"}, {"access_token": "a\r\nX: b"}, {"access_token": 1}, {"token_type": None}],
)
def test_an_answer_that_is_no_bearer_token(server: WithTokens, answer: dict[str, Any]) -> None:
    server.answer |= answer
    with pytest.raises(CommandError, match="no bearer token"):
        signals("create", "Okta")


@pytest.mark.parametrize("lifetime", [None, "3600", True, -1])
def test_a_lifetime_that_is_none(server: WithTokens, lifetime: object) -> None:
    server.answer["expires_in"] = lifetime
    signals("create", "Okta")
    signals("status", "Okta")
    assert len(server.asked) == 1


class TestTheSecret:
    def test_it_is_encrypted_and_never_shown(self, server: WithTokens) -> None:
        assert SECRET.encode() not in bytes(SignalSource.objects.get().client_secret)
        assert SECRET not in json.dumps(export(), default=str)
        page: Any = browser("alice", "administrator").get(
            reverse("admin:xaa_signalsource_change", args=[SignalSource.objects.get().pk])
        )
        assert page.status_code == 200
        assert SECRET not in page.content.decode()
        assert "gatehouse" in page.content.decode()
        names = {f"{found.model.__name__}.{found.column}" for found in reencryption.everything()}
        assert "SignalSource.client_secret" in names

    @pytest.mark.parametrize(
        "changes", [{"token_endpoint": "https://thief.example/token"}, {"transmitter": "https://thief.example"}]
    )
    def test_it_is_entered_again_for_another_server(self, server: WithTokens, changes: dict[str, str]) -> None:
        with pytest.raises(ConfigurationError, match="is needed again"):
            configure(client_id="gatehouse", **changes)
        configure(**CLIENT, **changes)
        configure(client_id="gatehouse", **changes)

    @pytest.mark.parametrize(
        "changes", [{"poll_url": "https://thief.example/poll"}, {"transmitter": "https://thief.example"}]
    )
    def test_a_token_as_well(self, server: WithTokens, changes: dict[str, str]) -> None:
        polled = {"delivery": "poll", "poll_url": f"{IDP}/poll"}
        configure(token="a-token", **polled)
        with pytest.raises(ConfigurationError, match="is needed again"):
            configure(**polled | changes)
        configure(token="a-token", **polled | changes)
        configure(**polled | changes)

    def test_a_token_and_a_client_do_not_go_together(self, server: WithTokens) -> None:
        with pytest.raises(ConfigurationError, match="not both"):
            configure(**CLIENT, token="a-token")
        with pytest.raises(ConfigurationError, match="has no use without client_id"):
            configure(client_secret=SECRET)
        configure(token="a-token")
        assert not SignalSource.objects.get().client_secret
        configure(**CLIENT)
        assert not SignalSource.objects.get().token

    def test_without_it_doctor_says_so(self, server: WithTokens) -> None:
        from datetime import UTC, datetime

        SignalSource.objects.update(client_secret=b"")
        source = configure(client_id="gatehouse", delivery="poll")
        found = list(doctor.examined(state.of(source, datetime.now(UTC)), datetime.now(UTC)))
        assert any("no credentials" in str(one) for one in found)
        assert not keys.has_credentials(source)


def test_the_page_takes_a_client(okta: Transmitter) -> None:
    source = okta.source
    url = reverse("admin:xaa_signalsource_change", args=[source.pk])
    given = {
        "name": "Okta",
        "issuer": str(source.issuer_id),
        "enabled": "on",
        "delivery": "push",
        "limit": "100",
        "client_id": "gatehouse",
        "our_secret": SECRET,
        "scope": "ssf.manage",
    }
    answer: Any = browser("alice", "administrator").post(url, given)
    assert answer.status_code == 302, answer.content.decode()
    source.refresh_from_db()
    assert (source.client_id, source.scope, keys.opened_secret(source)) == ("gatehouse", "ssf.manage", SECRET)
    answer = browser("alice", "administrator").post(
        url, given | {"our_secret": "", "token_endpoint": "https://thief.example/token"}
    )
    assert "needed again" in answer.content.decode()
    # Attack: the source goes by another name while its secret is sent elsewhere.
    answer = browser("alice", "administrator").post(
        url, given | {"our_secret": "", "token_endpoint": "https://thief.example/token", "name": "Other"}
    )
    assert "needed again" in answer.content.decode()
    answer = browser("alice", "administrator").post(url, given | {"our_token": "a"})
    assert "not both" in answer.content.decode()
