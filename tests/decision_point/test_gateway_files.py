"""The files of deploy/gateways say what is served here. Real gateways read them in tests/interop/test_gateways.py."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from authz.endpoints.decision_point.ext_authz import AUTH_REQUEST, EXT_AUTHZ
from authz.protocol.params import MAXIMUM_BODY
from tests.support.gateways import KNOWN, check, literal

pytestmark = pytest.mark.any_database

FILES = Path(__file__).resolve().parents[2] / "deploy/gateways"
# What is compared with the body, if the gateway passes it on.
COMPARED = {"dpop", "content-type", "content-encoding", "mcp-method", "mcp-name"}


def test_envoy() -> None:
    (listener,) = yaml.safe_load((FILES / "envoy.yaml").read_text())["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    asking: dict[str, Any] = manager["http_filters"][0]["typed_config"]
    assert asking["failure_mode_allow"] is False
    assert asking["with_request_body"] == {"max_request_bytes": MAXIMUM_BODY, "allow_partial_message": False}
    assert {pattern["exact"] for pattern in asking["allowed_headers"]["patterns"]} >= COMPARED
    service = asking["http_service"]
    assert service["path_prefix"] == f"/o/{EXT_AUTHZ}"
    added = {header["key"] for header in service["authorization_request"]["headers_to_add"]}
    assert added == {"Gatehouse-Authorization", "Gatehouse-Resource"}
    # Attack: a path that Envoy and the server read as two.
    assert (manager["normalize_path"], manager["path_with_escaped_slashes_action"]) == (True, "REJECT_REQUEST")


def test_agentgateway() -> None:
    document = yaml.safe_load((FILES / "agentgateway.yaml").read_text())
    check(document, KNOWN)
    metadata, mcp = document["binds"][0]["listeners"][0]["routes"]
    assert "policies" not in metadata
    asking = mcp["policies"]["extAuthz"]
    assert asking["failureMode"] == "deny"
    assert "cache" not in asking
    assert asking["includeRequestBody"] == {"maxRequestBytes": MAXIMUM_BODY, "allowPartialMessage": False}
    assert set(asking["includeRequestHeaders"]) == COMPARED | {"authorization"}
    by = asking["protocol"]["http"]
    assert literal(by["path"]) == f"/o/{EXT_AUTHZ}"
    assert set(by["addRequestHeaders"]) == {"Gatehouse-Authorization", "Gatehouse-Resource"}


def test_a_key_that_agentgateway_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"unknown field: binds\.ports"):
        check({"binds": [{"ports": 1}]}, KNOWN)


def test_nginx() -> None:
    text = (FILES / "nginx.conf").read_text()
    assert f"/o/{AUTH_REQUEST};" in text
    # Attack: each check would be a GET there, which calls nothing.
    assert EXT_AUTHZ not in text
    assert "proxy_pass_request_body off;" in text
