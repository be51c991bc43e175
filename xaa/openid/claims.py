"""What the identity scopes say of a person (OpenID Connect Core §5.4; `groups` is ours)."""

from collections.abc import Collection
from typing import Any

from authz.authorizations.live import groups_of
from authz.models import User
from authz.sign_in import people

SCOPES = ("openid", "profile", "email", "groups")
# The claims about the person that each identity scope asks for.
BY_SCOPE = {
    "profile": ("name", "given_name", "family_name", "preferred_username"),
    "email": ("email", "email_verified"),
    "groups": ("groups",),
}
SUPPORTED = (
    "sub",
    *(claim for claims in BY_SCOPE.values() for claim in claims),
    "auth_time",
    "acr",
    "amr",
    "sid",
)


def of(user: User, identity_scopes: Collection[str]) -> dict[str, Any]:
    """The claims that the granted identity scopes name; what is not known is left out."""
    claims: dict[str, Any] = {}
    if "profile" in identity_scopes:
        claims |= {
            "name": user.get_full_name() or user.username,
            "given_name": user.first_name,
            "family_name": user.last_name,
            "preferred_username": user.username,
        }
    if "email" in identity_scopes and user.email:
        claims |= {"email": user.email, "email_verified": people.is_vouched_for(user)}
    if "groups" in identity_scopes:
        claims["groups"] = list(groups_of(user))
    return {name: value for name, value in claims.items() if value != ""}
