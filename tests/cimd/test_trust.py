"""Trust in hosts: an empty list trusts none, and blocked outweighs trusted."""

import pytest

from cimd.trust import Policy, TrustStatus, is_pattern, trust_status


@pytest.mark.parametrize(
    ("host", "trusted", "blocked", "expected"),
    [
        ("app.example.com", (), (), TrustStatus.WAITS),
        ("app.example.com", ("*.example.com",), (), TrustStatus.TRUSTED),
        ("app.example.com", ("app.example.com",), (), TrustStatus.TRUSTED),
        ("example.com", ("*.example.com",), (), TrustStatus.WAITS),
        ("evilexample.com", ("*.example.com",), (), TrustStatus.WAITS),
        ("app.example.com.evil.example", ("*.example.com",), (), TrustStatus.WAITS),
        ("app.example.com", ("*.example.com",), ("app.example.com",), TrustStatus.BLOCKED),
        ("app.example.com", ("app.example.com",), ("*",), TrustStatus.BLOCKED),
        ("anybody.example", ("*",), (), TrustStatus.TRUSTED),
        ("anybody.example", ("*",), ("*.example.com",), TrustStatus.TRUSTED),
    ],
)
def test_standing(host: str, trusted: tuple[str, ...], blocked: tuple[str, ...], expected: TrustStatus) -> None:
    assert trust_status(host, Policy(trusted, blocked)) is expected


@pytest.mark.parametrize("text", ["*", "vscode.dev", "*.example.com", "localhost", "127.0.0.1", "[::1]"])
def test_patterns(text: str) -> None:
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*.",
        "*.com",
        "*example.com",
        "a.*.com",
        "Example.com",
        "example.com:443",
        "https://example.com",
        "a b",
        "*.1.2",
    ],
)
def test_what_is_no_pattern(text: str) -> None:
    assert not is_pattern(text)
