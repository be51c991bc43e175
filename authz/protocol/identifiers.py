"""Identifiers that must not be taken for one another: of clients, people, protected resources and issuers. Pure.

> the authorization server should prevent clients from registering an arbitrary "client_id" value, as this would allow
> malicious clients to select the sub of a high-privilege resource owner (RFC 9068 §5; RFC 9700 §4.15 says the same)

A machine's token carries its client_id as `sub`; a person's carries their subject, which is a UUID.
"""

import re

_HEXADECIMAL = re.compile(r"[0-9a-f]{32}", re.ASCII)


def is_like_a_subject(identifier: str) -> bool:
    """Whether it is a UUID in any spelling: upper case, braces, `urn:uuid:`, with dashes anywhere or without."""
    text = identifier.casefold().strip().replace("urn:", "").replace("uuid:", "")
    return _HEXADECIMAL.fullmatch(text.strip("{}()[]").replace("-", "").replace("_", "")) is not None


def compared(identifier: str) -> str:
    """What two identifiers are compared by: neither letter case nor a final slash tells them apart."""
    return identifier.strip().casefold().rstrip("/")
