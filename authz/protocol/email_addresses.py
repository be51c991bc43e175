"""When two email addresses are one. It is decided here, never by a database: PostgreSQL's UPPER() makes a dotless i the
letter I, and SQLite's folds ASCII alone.
"""

LONGEST = 254


def key(address: str) -> str:
    """What an address is looked up by. Equal keys are candidates; `are_same` decides."""
    return address.casefold()


def are_same(one: str, other: str) -> bool:
    """Whether two addresses differ in nothing but the case of letters. Two empty ones are not the same.

    Case folding alone makes the long s an s, the Kelvin sign a k and ß two letters, which are other mailboxes (attack
    38). Such a character is alike another one in one case only, so addresses have to agree in both cases.
    """
    if not one or not other:
        return False
    return key(one) == key(other) and one.lower() == other.lower() and one.upper() == other.upper()


def is_address(text: str) -> bool:
    """Whether a text from outside can stand as an address: one @ with something around it, nothing unseen."""
    local, at, domain = text.partition("@")
    has_shape = bool(local and at and domain) and "@" not in domain
    return has_shape and 3 <= len(text) <= LONGEST and text.isprintable() and not any(c.isspace() for c in text)
