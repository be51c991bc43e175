"""“Protect your server”: code with real values, and what is wrong with a server's metadata."""

import ast
import html
from unittest.mock import patch

import pytest
from django.urls import reverse

from authz import outbound, registry
from authz.conf import conf
from authz.console.widgets import charts, display
from authz.console.widgets.decision_snippets import checking_proofs, deciding
from authz.console.widgets.resource_check import findings
from authz.console.widgets.snippets import Values, protect
from authz.models import Client, ProtectedResource
from authz.protocol.resources import metadata_address
from demo.processes import ROOT
from tests.console.conftest import Page
from tests.support.world import NOTES

SCOPES = ["mcp:read", "mcp:write"]
VALUES = Values(
    issuer="https://as.example.com/o", jwks_uri="https://as.example.com/o/jwks", identifier="https://mcp.example.com/mcp",
    algorithm="RS256", scopes=SCOPES,
)  # fmt: skip


@pytest.mark.parametrize(("identifier", "address"), [
    ("https://mcp.example.com/mcp", "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"),
    ("https://mcp.example.com", "https://mcp.example.com/.well-known/oauth-protected-resource"),
    ("https://mcp.example.com/?a=b", "https://mcp.example.com/.well-known/oauth-protected-resource?a=b"),
    ("http://127.0.0.1:9200/a/b", "http://127.0.0.1:9200/.well-known/oauth-protected-resource/a/b"),
])  # fmt: skip
def test_where_the_metadata_is(identifier: str, address: str) -> None:
    assert metadata_address(identifier) == address


@pytest.mark.parametrize("snippet", protect(VALUES), ids=lambda snippet: snippet.title)
def test_each_snippet_names_the_real_values(snippet: object) -> None:
    code = snippet.code  # type: ignore[attr-defined]

    assert VALUES.issuer in code
    assert VALUES.identifier in code


@pytest.mark.parametrize("snippet", protect(VALUES)[:2], ids=lambda snippet: snippet.title)
def test_the_python_parses(snippet: object) -> None:
    ast.parse(snippet.code)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["decide_with_fastmcp", "decide_with_python_sdk"])
def test_a_server_that_asks_before_each_call_copies_the_file_and_its_lines(name: str) -> None:
    [shown] = [one for one in deciding(VALUES, "payments-server") if one.name == f"{name}.py"]

    assert shown.code == (ROOT / "examples" / shown.name).read_text()
    assert f"from {name} import Decisions" in shown.lines
    assert f'Decisions("{VALUES.issuer}", "payments-server", "YOUR_CLIENT_SECRET")' in shown.lines
    ast.parse(shown.lines)


def test_a_server_that_checks_proofs_copies_the_file_with_its_own_address(signed_in: Page) -> None:
    code = checking_proofs(VALUES)
    assert f'URL = "{VALUES.identifier}"' in code and "payroll.example.com" not in code
    row = ProtectedResource.objects.get(identifier=NOTES)
    address = reverse("admin:authz_protectedresource_protect", args=[row.pk])
    assert f'URL = "{NOTES}"' in html.unescape(signed_in("auditor").get(address).content.decode())


def test_who_asks_for_decisions_is_filled_in(signed_in: Page) -> None:
    row = ProtectedResource.objects.get(identifier=NOTES)
    address, browser = reverse("admin:authz_protectedresource_protect", args=[row.pk]), signed_in("auditor")

    assert "No client may ask yet" in browser.get(address).content.decode()
    row.decision_clients.set([Client.objects.get(client_id="nightly-report")])
    page = html.unescape(browser.get(address).content.decode())

    assert "No client may ask yet" not in page
    assert f'Decisions("{conf.issuer}", "nightly-report", "YOUR_CLIENT_SECRET")' in page
    for name in ("decide_with_fastmcp.py", "decide_with_python_sdk.py"):
        assert (ROOT / "examples" / name).read_text() in page


GOOD = {
    "resource": VALUES.identifier, "authorization_servers": [VALUES.issuer], "scopes_supported": SCOPES,
}  # fmt: skip


@pytest.mark.parametrize(("change", "levels", "words"), [
    ({}, {"good"}, "names this server"),
    ({"resource": VALUES.identifier + "/"}, {"good", "error"}, "must be exactly"),
    ({"authorization_servers": [VALUES.issuer + "/"]}, {"good", "error"}, "by a slash at the end"),
    ({"authorization_servers": ["https://other.example"]}, {"good", "error"}, "does not name"),
    ({"authorization_servers": None}, {"good", "error"}, "is missing"),
    ({"scopes_supported": None}, {"good", "warning"}, "ask for no scope"),
    ({"scopes_supported": ["mcp:read", "mcp:all"]}, {"good", "warning"}, "mcp:all"),
    ({"scopes_supported": "mcp:read"}, {"good", "error"}, "not a list"),
    ({"bearer_methods_supported": ["query"]}, {"good", "error", "warning"}, "leaves out"),
])  # fmt: skip
def test_what_is_wrong_is_said(change: dict[str, object], levels: set[str], words: str) -> None:
    found = findings({**GOOD, **change}, identifier=VALUES.identifier, issuer=VALUES.issuer, scopes=VALUES.scopes)

    assert {finding.level for finding in found} == levels
    assert any(words in finding.sentence for finding in found)


def test_a_list_is_no_document() -> None:
    assert [finding.level for finding in findings([], identifier="x", issuer="y", scopes=[])] == ["error"]


def test_the_check_goes_through_the_one_door_and_only_by_post(signed_in: Page) -> None:
    row = ProtectedResource.objects.get(identifier=NOTES)
    address = reverse("admin:authz_protectedresource_protect", args=[row.pk])
    browser = signed_in("administrator")
    refused = outbound.OutboundError(outbound.Cause.ADDRESS_FORBIDDEN)

    with patch.object(outbound, "fetch", side_effect=refused) as fetch:
        browser.get(address)
        assert not fetch.called
        page = browser.post(address).content.decode()

    asked = [call.args[0] for call in fetch.call_args_list]
    # What cannot be asked is not asked with a token, too.
    assert asked == [outbound.Role.RESOURCE_METADATA, outbound.Role.RESOURCE_PROBE]
    assert page.count("not on the public Internet") == 1
    assert "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS=127.0.0.1:9200=resources" in page


def test_an_auditor_cannot_make_the_server_fetch(signed_in: Page) -> None:
    row = ProtectedResource.objects.get(identifier=NOTES)

    with patch.object(outbound, "fetch") as fetch:
        signed_in("auditor").post(reverse("admin:authz_protectedresource_protect", args=[row.pk]))

    assert not fetch.called


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (4, 4), (5, 8), (9, 12), (13, 20), (21, 40), (93, 100), (101, 120), (4001, 6000)]
)
def test_the_axis_ends_on_a_round_number(value: int, top: int) -> None:
    assert charts.ceiling(value) == top


def test_bars_stack_without_overlap() -> None:
    chart = charts.stacked(["a", "b"], {"x": [3, 0], "y": [5, 2]})
    first = chart.bars[0].segments

    assert first[1].y + first[1].height == pytest.approx(first[0].y, abs=0.2)
    assert [bar.total for bar in chart.bars] == [8, 2]
    assert [key.total for key in chart.keys] == [3, 7]


def test_a_series_keeps_its_colour_when_another_is_missing() -> None:
    colours = {"refresh_token": 2, "client_credentials": 3}
    both = charts.stacked(["a"], {"refresh_token": [1], "client_credentials": [1]}, colours=colours)
    one = charts.stacked(["a"], {"client_credentials": [1]}, colours=colours)

    assert [key.series for key in both.keys] == [2, 3]
    assert [key.series for key in one.keys] == [segment.series for segment in one.bars[0].segments] == [3]


def test_each_grant_has_a_colour_of_its_own() -> None:
    colours = [display.grant_colour(grant) for grant in registry.grants()]

    assert len(set(colours)) == len(colours)
