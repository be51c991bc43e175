"""Names of clients, as they may be shown to people who decide about them (attack 11).

What cannot be seen is made visible, and a name that could be taken for another host is told apart.
"""

import re
import unicodedata

from authz.protocol.top_level_domains import TOP_LEVEL_DOMAINS

MAX_LENGTH = 80
UNSEEN = "has invisible characters"

# These are letters or marks by category, and nothing to the eye.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u2800\u3164\uffa0\u034f")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MAX_MARKS = 2  # on one letter; more of them paint over the lines around the name
_CONFUSABLE_SCRIPTS = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
_OTHER_DOTS = str.maketrans(dict.fromkeys("\u3002\uff61\u2024\ua4f8\u0701\u0702\u06d4\u0660\u06f0\u00b7\u30fb", "."))
# What Unicode composes pictures of (UTS #51): inside one, its selectors and joiners are part of what is seen.
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
    "(?:\ufe0f|[\U0001f3fb-\U0001f3ff])?"
)
_REGIONS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_EMOJI = re.compile(f"{_REGIONS}|[0-9#*]\ufe0f\u20e3|{_PICTURE}(?:\u200d{_PICTURE})*")
# Begun once for each chain of labels, however long it is.
_HOST_LIKE = re.compile(r"(?<![\w\-])(?<![\w\-]\.)[\w\-]+(?:\.[\w\-]+)*\.[^\W\d_]{2,}")


def visible(text: str) -> str:
    """`text` on one line, with bidirectional controls, zero-width and other unseen characters spelt out: `⟨U+202E⟩`."""
    normal = unicodedata.normalize("NFC", text)
    of_emoji = {
        position for found in _EMOJI.finditer(normal) for position in range(*found.span()) if len(found[0]) > 1
    } | {found.start() for found in _EMOJI.finditer(normal) if "\U0001fa70" <= found[0] <= "\U0001faff"}
    shown: list[str] = []
    marks = 0
    for position, character in enumerate(normal):
        if position in of_emoji:
            shown.append(character)
            marks = 0
            continue
        marks = marks + 1 if unicodedata.combining(character) else 0
        if character.isspace() and unicodedata.category(character) in {"Zs", "Cc"}:
            shown.append(" ")
        elif _is_unseen(character) or marks > _MAX_MARKS:
            shown.append(f"⟨U+{ord(character):04X}⟩")
        else:
            shown.append(character)
    return " ".join("".join(shown).split())


def visible_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(visible(line) for line in text.splitlines()).strip()


def has_unseen(text: str) -> bool:
    """Whether a person who reads `text` does not see all of it."""
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        if _is_unseen(character) or marks > _MAX_MARKS:
            return True
    return False


def shortened(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1].rstrip() + "…"


def imitates_a_host(name: str, host: str) -> bool:
    """Whether a client of `host` names itself as a URL or as some other host would be named.

    Its own host, one above and one below it deceive no one, and neither does a word with a dot that ends in no
    top-level domain: “Node.js Helper”, “St.Gallen”, “Version 2.0”.
    """
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_OTHER_DOTS)
    if "://" in folded or "@" in folded or "//" in folded:
        return True
    return any(_is_another_host(match[0], host) for match in _HOST_LIKE.finditer(folded))


def _is_another_host(named: str, host: str) -> bool:
    if named == host or host.endswith(f".{named}") or named.endswith(f".{host}"):
        return False
    ending = named.rpartition(".")[2]
    return not ending.isascii() or ending in TOP_LEVEL_DOMAINS


def mixes_scripts(name: str) -> bool:
    """Whether one word mixes Latin with letters that look like Latin ones (`Сlaude` with a Cyrillic С)."""
    for word in re.findall(r"[^\W\d_]+", name):
        scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word}
        if "LATIN" in scripts and not scripts.isdisjoint(_CONFUSABLE_SCRIPTS):
            return True
    return False


def _is_unseen(character: str) -> bool:
    if character in _BLANK or unicodedata.category(character) in _INVISIBLE_CATEGORIES:
        return True
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
