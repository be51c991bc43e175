"""What an issuer says of the person that it has just signed in: the claims by which they are found. Pure."""

from collections.abc import Mapping
from typing import Any

from authz.protocol.errors import OAuthError
from xaa.reasons import Reason
from xaa.subjects import said_groups
from xaa.trusted_issuers import Trust


def read(trust: Trust, id_token: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a verified ID token together with those of UserInfo. Raises OAuthError."""
    subject = id_token.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise OAuthError(Reason.ASSERTION_SUBJECT)
    if "tenant" in id_token and not isinstance(id_token["tenant"], str):
        raise OAuthError(Reason.ASSERTION_TENANT)
    # > The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token
    # > (OpenID Connect Core §5.3.2)
    also = dict(userinfo) if userinfo.get("sub") == subject else {}
    # What UserInfo verified is its own address, not another one that the ID token names.
    if "email" in id_token and id_token["email"] != also.get("email"):
        also.pop("email_verified", None)
    return said_groups.joined(id_token, also, trust.groups_claim)
