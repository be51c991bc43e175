"""Set-ups of an issuer by which no person could ever sign in: refused by the form, the API and the file alike, in the
same words. Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from xaa.workloads import spiffe

# > `common`, `organizations`, `consumers`: the issuer value in the metadata names no tenant, or another one
# > (Microsoft identity platform, OpenID Connect). So it never is the issuer of a token (OpenID Connect Discovery §4.3).
_ENTRA, _NO_TENANTS = "login.microsoftonline.com", frozenset({"common", "organizations", "consumers"})

START = "No person could sign in: "


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """What signing in depends on. `ours` is this server's issuer; `is_linked`: some identity is linked to the issuer
    already."""

    issuer: str
    ours: str
    enabled: bool
    accepts: Collection[str]
    scopes: Collection[str]
    match: Collection[str]
    create: bool
    is_linked: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """`field` is the key of the configuration file that is at fault; `sentence` is for everywhere."""

    field: str
    sentence: str


def problem(set_up: SetUp) -> Problem | None:
    """Why no person could ever sign in by the issuer; None if one could."""
    if "id_token" not in set_up.accepts:
        return Problem("sign_in", f"{START}the issuer has to be accepted for ID tokens (id_token in accepts).")
    if "openid" not in set_up.scopes:
        # > openid: REQUIRED (OpenID Connect Core §3.1.2.1)
        return Problem("sign_in", f"{START}the scopes have to name openid.")
    if found := _issuer_problem(set_up):
        return Problem("issuer", START + found)
    # While it is off, people can be linked to it by hand; and it lets none in.
    if set_up.enabled and not (set_up.is_linked or set_up.create or "email" in set_up.match):
        return Problem(
            "subjects",
            f"{START}no identity is linked to the issuer, it finds no one by their address, and it creates no person."
            " Let it find people by their verified address (email in match), or create them, or save it disabled and"
            " link people first.",
        )
    return None


def _issuer_problem(set_up: SetUp) -> str:
    if spiffe.is_spiffe(set_up.issuer):
        return "a SPIFFE trust domain vouches for workloads and has no sign-in."
    if set_up.issuer.rstrip("/") == set_up.ours.rstrip("/"):
        return "this is the identifier of this server itself."
    parts = urlsplit(set_up.issuer)
    tenant = parts.path.strip("/").partition("/")[0]
    if parts.hostname == _ENTRA and tenant in _NO_TENANTS:
        return f"“{tenant}” is no tenant, and no token has this issuer. Name your tenant's id instead."
    return ""
