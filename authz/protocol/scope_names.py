"""Which texts are scope names, and which of them belong to this server."""

import re

# > scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) (RFC 6749 §3.3)
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")

# Scopes of this server itself (OpenID Connect Core §5.4 and §11), never of a protected resource.
IDENTITY_SCOPES = ("openid", "profile", "email", "groups", "offline_access")


def is_scope_token(name: str) -> bool:
    return bool(_SCOPE_TOKEN.fullmatch(name))
