"""Resource indicators (RFC 8707, and MCP's canonical form)."""

import pytest

from authz.protocol import resources
from authz.protocol.errors import OAuthError, Reason

NOTES = "https://notes.example.com/mcp"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (NOTES, NOTES),
        ("HTTPS://Notes.Example.COM/mcp", NOTES),
        ("https://notes.example.com:443/mcp", NOTES),
        ("https://notes.example.com/", "https://notes.example.com"),
        ("https://notes.example.com:8443/mcp?tenant=a", "https://notes.example.com:8443/mcp?tenant=a"),
        ("http://[::1]:9200/mcp", "http://[::1]:9200/mcp"),
    ],
)
def test_one_is_named_in_its_canonical_form(written: str, canonical: str) -> None:
    assert resources.single(written) == canonical


def test_the_same_one_twice_is_one() -> None:
    assert resources.single(f"{NOTES} {NOTES}") == NOTES
    assert resources.single(f"{NOTES} https://NOTES.example.com:443/mcp") == NOTES


def test_none_is_none() -> None:
    assert resources.single(None) is None


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (f"{NOTES} https://ledger.example.com/mcp", Reason.RESOURCE_SEVERAL),
        (f"{NOTES} {NOTES}/", Reason.RESOURCE_SEVERAL),
        (f"{NOTES} ", Reason.RESOURCE_MALFORMED),
        ("", Reason.RESOURCE_MALFORMED),
        ("http://notes.example.com/mcp", Reason.RESOURCE_MALFORMED),
        (f"{NOTES}#part", Reason.RESOURCE_MALFORMED),
        ("https://user@notes.example.com/mcp", Reason.RESOURCE_MALFORMED),
        ("https://nötes.example.com/mcp", Reason.RESOURCE_MALFORMED),
        ("notes", Reason.RESOURCE_MALFORMED),
    ],
)
def test_what_names_none_or_several_is_refused(written: str, reason: Reason) -> None:
    with pytest.raises(OAuthError) as refused:
        resources.single(written)
    assert refused.value.reason is reason
