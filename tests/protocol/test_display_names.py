"""Names with dots, pictures and other scripts are shown as they are, unless they deceive (attack 11)."""

import pytest

from authz.protocol.display_names import imitates_a_host, mixes_scripts, visible

HOST = "app.acme.ai"
OTHERS = "(the host instead)"


def shown(name: str, host: str = HOST) -> str:
    if imitates_a_host(name, host) or mixes_scripts(name):
        return OTHERS
    return visible(name)


@pytest.mark.parametrize(
    "name",
    [
        "Acme.ai",
        "Acme.ai Assistant",
        "app.acme.ai",
        "eu.app.acme.ai",
        "Node.js Helper",
        "Vue.js/Next.js agent",
        ".NET Agent",
        "St.Gallen Bot",
        "Mr.Robot",
        "Version 2.0",
        "v1.2.3-beta.4",
        "A.I. Helper",
        "Acme Inc.",
        "e.g. this one",
        "Ph.D.Assistant",
        "🤖 Bot",
        "❤️ Notes",
        "👩‍💻 Coding agent",
        "👍🏽 Reviewer",
        "🇨🇭 Helvetia",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿 England",
        "1️⃣ First",
        "🏳️‍🌈 Pride",
        "🫨 Shaking",
        "日本語エージェント",
        "وكيل",
        "עוזר אישי",
        "Émile’s agent – beta",
        "C# (preview)",
    ],
)
def test_a_harmless_name_is_shown_unchanged(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("claude.ai", HOST),
        ("Sign in to claude.ai", HOST),
        ("CLAUDE.AI", HOST),
        ("claude。ai", HOST),
        ("claude．ai", HOST),
        ("ⓒlaude.ai", HOST),
        ("https://acme.ai", HOST),
        ("support@acme.ai", HOST),
        ("//acme.ai", HOST),
        ("google.com 🤖", HOST),
        ("пример.рф", HOST),
        ("accounts.google.com", HOST),
        ("evilacme.ai", HOST),
        ("acme.ai.evil.com", HOST),
        ("acme.ai", "evil.example"),
        ("README.md", HOST),  # .md is a country's, so it is some host
        ("\N{CYRILLIC CAPITAL LETTER ES}laude", HOST),
        ("Cl\N{GREEK SMALL LETTER ALPHA}ude", HOST),
    ],
)
def test_a_name_that_looks_like_another_is_not(name: str, host: str) -> None:
    assert shown(name, host) == OTHERS


def test_a_host_names_itself() -> None:
    assert shown("claude.ai", "claude.ai") == "claude.ai"
    assert shown("claude.ai", "www.claude.ai") == "claude.ai"
    assert shown("claude.ai", "claude.ai.evil.example") == OTHERS


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("Claude\N{RIGHT-TO-LEFT OVERRIDE}gpj", "Claude⟨U+202E⟩gpj"),
        ("Cla\N{ZERO WIDTH SPACE}ude", "Cla⟨U+200B⟩ude"),
        ("Cla\N{ZERO WIDTH JOINER}ude", "Cla⟨U+200D⟩ude"),
        ("Claude\N{VARIATION SELECTOR-16}", "Claude⟨U+FE0F⟩"),
        ("1\N{VARIATION SELECTOR-16}", "1⟨U+FE0F⟩"),
        ("🤖\N{ZERO WIDTH JOINER}", "🤖⟨U+200D⟩"),
        ("🤖\N{ZERO WIDTH JOINER}a", "🤖⟨U+200D⟩a"),
        ("🤖\N{VARIATION SELECTOR-16}\N{VARIATION SELECTOR-16}", "🤖\N{VARIATION SELECTOR-16}⟨U+FE0F⟩"),
        ("🏴\U000e0061\U000e007f", "🏴⟨U+E0061⟩⟨U+E007F⟩"),
        ("claude\N{ZERO WIDTH NON-JOINER}.ai", "claude⟨U+200C⟩.ai"),
        ("A\x07B", "A⟨U+0007⟩B"),
    ],
)
def test_invisible_characters_are_spelt_out(name: str, spelt: str) -> None:
    assert visible(name) == spelt
    assert visible(spelt) == spelt
