"""Names that strangers give themselves, as they may be shown to people who must decide about them (attack 11).

What cannot be seen is made visible, and a name that could be taken for somebody else's host is told apart.
"""

import re
import unicodedata

MAX_LENGTH = 80
UNSEEN = "holds characters that nobody can see"

# These are letters or marks by category, and nothing to the eye.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u2800\u3164\uffa0\u034f")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MAX_MARKS = 2  # on one letter; more of them paint over the lines around the name
_CONFUSABLE_SCRIPTS = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
_OTHER_DOTS = str.maketrans(dict.fromkeys("\u3002\uff61\u2024\ua4f8\u0701\u0702\u06d4\u0660\u06f0\u00b7\u30fb", "."))
# Begun once for each chain of labels, however long it is.
_HOST_LIKE = re.compile(r"(?<![\w\-])(?<![\w\-]\.)[\w\-]+(?:\.[\w\-]+)*\.[^\W\d_]{2,}")


def visible(text: str) -> str:
    """`text` on one line, with bidirectional controls, zero-width and other unseen characters spelt out: `⟨U+202E⟩`."""
    shown: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
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
    """Whether a client of `host` names itself as a URL or as some other host would be named."""
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_OTHER_DOTS)
    if "://" in folded or "@" in folded or "//" in folded:
        return True
    return any(host != match[0] and not host.endswith(f".{match[0]}") for match in _HOST_LIKE.finditer(folded))


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
