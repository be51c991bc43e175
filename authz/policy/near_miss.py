"""What a mistyped name was probably meant to be."""

import difflib
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

# Of more candidates only those that differ in their form (case, slash, port) are found: comparing letters costs time.
MAXIMUM_COMPARED = 2000
# How alike two names are, from 0 to 1.
LIKENESS = 0.7

_DEFAULT_PORTS = {"http": 80, "https": 443}


def nearest(name: str, candidates: Collection[str]) -> str:
    """The candidate that `name` probably means; "" where none is close."""
    form = _form(name)
    same_form = next((candidate for candidate in candidates if _form(candidate) == form), "")
    if same_form or len(candidates) > MAXIMUM_COMPARED:
        return same_form
    close = difflib.get_close_matches(name, candidates, n=1, cutoff=LIKENESS)
    return close[0] if close else ""


def same_address(address: str, candidates: Collection[str]) -> str:
    """The URI that differs in nothing but its scheme, a default port, the letter case or a final slash; "" if none."""
    form = _address_form(address)
    return next((candidate for candidate in candidates if _address_form(candidate) == form), "")


def nearest_address(address: str, candidates: Collection[str]) -> str:
    """The same for URIs, where the scheme, a default port and a final slash are what people get wrong."""
    same_form = same_address(address, candidates)
    if same_form or len(candidates) > MAXIMUM_COMPARED:
        return same_form
    form = _address_form(address)
    # Two hosts that share a long path are not alike for that.
    alike = [candidate for candidate in candidates if _are_alike(form[0], _address_form(candidate)[0])]
    return nearest(address, alike)


def did_you_mean(suggestion: str) -> str:
    return f" Did you mean “{suggestion}”?" if suggestion else ""


def one_of(names: Iterable[str], most: int = 5) -> str:
    """The first of some names in words: “a”, “b”, …"""
    found = list(names)
    shown = ", ".join(f"“{name}”" for name in found[:most])
    return f"{shown}, …" if len(found) > most else shown


def _are_alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, one, other).ratio() >= LIKENESS


def _form(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == "*")


def _address_form(address: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ("", "", address)
    is_default = port is None or port == _DEFAULT_PORTS.get(parts.scheme)
    return (parts.hostname or "", "" if is_default else str(port), parts.path.rstrip("/").casefold() + parts.query)
