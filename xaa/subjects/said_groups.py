"""What an assertion says about the person's groups: a list of names, possibly an empty one, or nothing at all.

> The "claims" […] `_claim_names`: JSON object whose member names are the Claim Names for the Aggregated and Distributed
> Claims (OpenID Connect Core §5.6.2)

An empty list takes effect at once. What isn't said, can't be read, or was cut off by the issuer changes nothing: no
person leaves a group by it (docs/decisions/0052-silence-is-not-no-groups.md). Pure.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from authz.protocol.display_names import has_unseen, visible

MAXIMUM_GROUPS = 200
MAXIMUM_NAME = 150


class Silence(StrEnum):
    """Why an assertion says nothing about groups, as the audit names it."""

    ABSENT = "groups_absent"
    OVERAGE = "groups_elsewhere"  # the issuer names an address to ask instead of the groups
    UNREADABLE = "groups_unreadable"
    TOO_MANY = "groups_too_many"


def read(claims: Mapping[str, Any], claim: str) -> tuple[str, ...] | Silence:
    """The group names in the claim `claim`, sorted and each once."""
    # An issuer that hands on the claim by reference, as Entra ID does from the 201st group on, may leave a part in it.
    references = claims.get("_claim_names")
    if isinstance(references, Mapping) and claim in references:
        return Silence.OVERAGE
    # > hasgroups: […] If present, always true, indicating whether the user is in at least one group. Used in place of
    # > the groups claim (Microsoft identity platform, ID token claims). It says nothing of any other claim.
    if claim == "groups" and claims.get("hasgroups") in (True, "true"):
        return Silence.OVERAGE
    said = claims.get(claim)
    if said is None:
        return Silence.ABSENT
    names = [said] if isinstance(said, str) else said
    # A list of which a part can't be read isn't the whole list: who is missing in it may be in the unreadable part.
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        return Silence.UNREADABLE
    # A group that only looks like another one must not pass for it (attack 11).
    shown = {visible(name) if has_unseen(name) else name for name in names}
    if any(len(name) > MAXIMUM_NAME for name in shown):
        return Silence.UNREADABLE
    return Silence.TOO_MANY if len(shown) > MAXIMUM_GROUPS else tuple(sorted(shown))


def joined(id_token: Mapping[str, Any], userinfo: Mapping[str, Any], claim: str) -> dict[str, Any]:
    """The claims of an ID token and of the UserInfo response beside it. The ID token's count, but for the groups where
    it says nothing about them and UserInfo does.
    """
    claims = {**userinfo, **id_token}
    if claim and isinstance(read(id_token, claim), Silence) and not isinstance(read(userinfo, claim), Silence):
        claims[claim] = userinfo[claim]
        claims.pop("_claim_names", None)
        claims.pop("hasgroups", None)
    return claims
