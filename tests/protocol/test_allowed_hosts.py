"""Where this server may go that is not public, and what for."""

from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from authz import checks
from authz.conf import conf
from authz.outbound import Cause, OutboundError, Role, fetch, is_fetchable
from authz.protocol import allowed_hosts
from authz.settings import allowed_host


def allowing(*items: str, issuer: str | None = None) -> Any:
    changed: dict[str, Any] = {"OUTBOUND_ALLOWED_HOSTS": [allowed_host(item) for item in items]}
    return override_settings(GATEHOUSE={**settings.GATEHOUSE, **changed, **({"ISSUER": issuer} if issuer else {})})


@pytest.mark.parametrize(
    ("item", "read"),
    [
        ("127.0.0.1:9300", ("127.0.0.1", 9300)),
        ("LocalHost:9300", ("localhost", 9300)),
        ("[::1]:9300", ("::1", 9300)),
        ("10.0.0.5:443=keys", ("10.0.0.5", 443, frozenset({"issuer_keys"}))),
        ("10.0.0.5:443=keys+discovery", ("10.0.0.5", 443, frozenset({"issuer_keys", "issuer_metadata"}))),
        ("a.internal:1=audit", ("a.internal", 1, frozenset({"audit_collector", "audit_syslog"}))),
        ("LocalHost:*=resources", ("localhost", 0, frozenset({"resource_metadata", "resource_probe"}))),
        ("[fd00::1]:8443=documents", ("fd00::1", 8443, frozenset({"client_metadata_document", "client_logo"}))),
    ],
)
def test_an_entry_is_a_pair_and_may_name_roles(item: str, read: tuple[object, ...]) -> None:
    assert allowed_hosts.parse(item) == read


@pytest.mark.parametrize(
    "item",
    [
        "localhost",
        ":443",
        "localhost:",
        "localhost:x",
        "localhost:0",
        "localhost:65536",
        "localhost:99999999999999999999",
        "localhost:٤٤٣",
        "localhost:443=",
        "localhost:443=key",
        "localhost:*",
        "localhost:*=",
        "localhost:*=documents",
        "localhost:*=resources+client-keys",
        "10.0.0.5:*=resources",
        "*:*=resources",
        "localhost:443=keys,discovery",
        "localhost:443=keys+",
        "localhost:443=KEYS",
        "keys:localhost:443=",
    ],
)
def test_what_is_no_entry_stops_the_server_with_a_word(item: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="GATEHOUSE_OUTBOUND_ALLOWED_HOSTS"):
        allowed_host(item)


def test_every_role_is_served_by_some_word() -> None:
    assert frozenset[str]().union(*allowed_hosts.USES.values()) == {role.value for role in Role}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("use", [None, *allowed_hosts.USES])
def test_an_entry_serves_what_it_names_and_a_bare_one_everything(use: str | None, role: Role) -> None:
    serves = use is None or role.value in allowed_hosts.USES[use]
    with allowing(f"127.0.0.1:1={use}" if use else "127.0.0.1:1"):
        assert is_fetchable("http://127.0.0.1:1/", role) is serves
        with pytest.raises(OutboundError) as refused:
            fetch(role, "https://127.0.0.1:1/")
        assert refused.value.cause is (Cause.CONNECT if serves else Cause.ADDRESS_FORBIDDEN)


@pytest.mark.parametrize(
    ("items", "roles"),
    [
        (["a:1=keys", "a:1=discovery"], frozenset({"issuer_keys", "issuer_metadata"})),
        (["a:1=keys", "a:1"], None),
        (["a:1", "a:1=keys"], None),
        (["a:1=keys", "b:1"], frozenset({"issuer_keys"})),
        (["a:1=keys", "a:2"], frozenset({"issuer_keys"})),
        (["a:1"], None),
    ],
)
def test_a_pair_that_is_named_twice_serves_all_that_was_named(items: list[str], roles: object) -> None:
    with allowing(*items):
        assert conf.outbound_allowed_hosts["a", 1] == roles


@pytest.mark.parametrize(
    ("issuer", "items", "warns"),
    [
        ("https://auth.example.com", ["10.0.0.5:443"], True),
        ("https://auth.example.com", ["10.0.0.5:443=keys", "127.0.0.1:9300"], True),
        ("https://auth.example.com", ["10.0.0.5:443=keys+discovery"], False),
        ("https://auth.example.com", ["10.0.0.5:443=documents"], False),  # it was said
        ("https://auth.example.com", [], False),
        ("http://127.0.0.1:8000", ["10.0.0.5:443"], False),
    ],
)
def test_where_strangers_may_send_a_public_server_is_said(issuer: str, items: list[str], warns: bool) -> None:
    with allowing(*items, issuer=issuer):
        found = checks.allow_list(None)
    assert [message.id for message in found] == (["authz.W003"] if warns else [])


@pytest.mark.parametrize("port", [1, 9300, 65535])
def test_every_port_of_a_loopback_host_serves_its_role_and_no_other(port: int) -> None:
    url = f"http://127.0.0.1:{port}/mcp"
    with allowing("127.0.0.1:*=resources"):
        assert is_fetchable(url, Role.RESOURCE_PROBE)
        assert not is_fetchable(url, Role.CLIENT_METADATA_DOCUMENT)
        assert not is_fetchable(url, Role.CLIENT_KEYS)
        assert not is_fetchable(f"http://localhost:{port}/mcp", Role.RESOURCE_PROBE)


def test_attack_port_zero_is_not_every_port() -> None:
    with allowing("127.0.0.1:*=resources"):
        assert not is_fetchable("http://127.0.0.1:0/mcp", Role.RESOURCE_PROBE)
