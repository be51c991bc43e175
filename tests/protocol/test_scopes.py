import pytest

from authz.protocol import scopes
from authz.protocol.errors import OAuthError

# What clients send: lists joined with empty names, and names twice.
READ: list[tuple[str | None, tuple[str, ...]]] = [
    (None, ()),
    ("", ()),
    (" ", ()),
    ("   ", ()),
    ("mcp:read", ("mcp:read",)),
    (" offline_access", ("offline_access",)),
    ("offline_access ", ("offline_access",)),
    ("mcp:read  mcp:write", ("mcp:read", "mcp:write")),
    ("  mcp:read   mcp:write  ", ("mcp:read", "mcp:write")),
    ("mcp:read mcp:read", ("mcp:read",)),
    ("b a  b", ("b", "a")),
]
REFUSED = ["a\tb", "a\nb", "\u00a0a", 'a"b', "a\\b", "ä", "a\0", "a\x7f", " ".join(f"s{n}" for n in range(201))]


@pytest.mark.parametrize(("text", "names"), READ)
def test_blanks_beyond_the_separating_one_name_nothing(text: str | None, names: tuple[str, ...]) -> None:
    assert scopes.parse(text) == names


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_scope_may_hold_is_refused(text: str) -> None:
    with pytest.raises(OAuthError):
        scopes.parse(text)
