"""Presets for trusted issuers: what is usual for an identity provider or a platform, to be chosen instead of looked up.

Pure. A preset fills keys that an item leaves out; what is written explicitly counts. It is not stored: an export writes
the keys themselves, and a preset that changes with a version changes no configuration that exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from authz.policy import near_miss

PEOPLE: Final = "people"
WORKLOADS: Final = "workloads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A preset: what it is called, when to take it, and the keys of `trusted_issuers` that it fills.

    issuer    how the identifier looks; it is filled in only where all organisations have the same (`is_fixed`).
    """

    label: str
    situation: str
    issuer: str
    is_fixed: bool = False
    keys: Mapping[str, Any] = field(default_factory=dict)


def _people(*accepts: str, match: tuple[str, ...] = ("sub", "email"), groups: str = "") -> dict[str, Any]:
    subjects = {"match": [*match], "create": False, "groups": groups, "tenants": []}
    return {"accepts": [*accepts], "subjects": subjects}


def _workloads(max_lifetime: int, *, reuse: bool) -> dict[str, Any]:
    return {"accepts": ["workload"], "max_lifetime": max_lifetime, "reuse": reuse}


PRESETS: Final[Mapping[str, Preset]] = {
    "okta": Preset(
        label="Okta",
        situation="People sign in at Okta, and it issues ID-JAGs (Cross App Access) or ID tokens for your agents.",
        issuer="https://acme.okta.com",
        keys=_people("id-jag", "id_token", groups="groups"),
    ),
    "entra": Preset(
        label="Entra ID",
        situation="People sign in at Microsoft Entra ID. Its addresses are not verified, so people are found by links"
        " alone. Groups come as ids, and over 200 not at all: then memberships stay as they are.",
        issuer="https://login.microsoftonline.com/TENANT/v2.0",
        keys=_people("id_token", match=("sub",), groups="groups"),
    ),
    "google-workspace": Preset(
        label="Google Workspace",
        situation="People sign in with Google. Every Google account can, so no person is created: people exist here"
        " before, or are linked by their verified address.",
        issuer="https://accounts.google.com",
        is_fixed=True,
        keys=_people("id_token"),
    ),
    "keycloak": Preset(
        label="Keycloak",
        situation="People sign in at a realm of Keycloak with a mapper that writes their groups.",
        issuer="https://sso.example.com/realms/acme",
        keys=_people("id_token", groups="groups"),
    ),
    "auth0": Preset(
        label="Auth0",
        situation="People sign in at an Auth0 tenant. Its identifier ends in a slash.",
        issuer="https://acme.eu.auth0.com/",
        keys=_people("id_token"),
    ),
    "anthropic": Preset(
        label="Anthropic-issued identity",
        situation="Anthropic vouches for the people who use Claude in your organisation, by ID-JAGs. Claude shows your"
        " organisation's issuer when you set it up. Claude has no secret: it also has to be named among the public"
        " clients.",
        issuer="https://identity.anthropic.com/issuers/TENANT",
        keys=_people("id-jag"),
    ),
    "kubernetes": Preset(
        label="Kubernetes",
        situation="Pods present their projected service account token with this server as its audience, which the"
        " kubelet keeps for about an hour. The keys of a private cluster are pasted in as jwks.",
        issuer="https://kubernetes.default.svc.cluster.local",
        keys=_workloads(24 * 3600, reuse=True),
    ),
    "github-actions": Preset(
        label="GitHub Actions",
        situation="Workflows ask GitHub for a token each time they need one; it lives minutes. Repositories since July"
        " 2026 have their ids in the subject: repo:OWNER@ID/REPO@ID:….",
        issuer="https://token.actions.githubusercontent.com",
        is_fixed=True,
        keys=_workloads(3600, reuse=False),
    ),
    "gitlab": Preset(
        label="GitLab",
        situation="Jobs have one ID token (id_tokens) from their beginning to their end, so it is presented again; it"
        " expires with the job's timeout. Your own GitLab has an issuer of its own.",
        issuer="https://gitlab.com",
        is_fixed=True,
        keys=_workloads(24 * 3600, reuse=True),
    ),
    "aws-sts": Preset(
        label="AWS STS",
        situation="Roles in AWS ask STS for a token (GetWebIdentityToken) with this server as its audience; it lives an"
        " hour at the most. Each account has an issuer of its own, which its outbound identity federation names.",
        issuer="https://ISSUER-ID.tokens.sts.global.api.aws",
        keys=_workloads(3600, reuse=False),
    ),
    "azure-managed-identity": Preset(
        label="Azure managed identity",
        situation="Machines in Azure have a token for up to a day from their metadata service, which hands out the same"
        " one again. Its audience is an application's, and has to be named: the application's id, or, in tokens of"
        " version 1.0 (issuer https://sts.windows.net/TENANT/), the URI that was asked for (api://…).",
        issuer="https://login.microsoftonline.com/TENANT/v2.0",
        keys=_workloads(25 * 3600, reuse=True),
    ),
    "spiffe": Preset(
        label="SPIFFE",
        situation="Workloads have a JWT-SVID of SPIRE, which hands out the same one until it is half over. The keys are"
        " at the bundle endpoint (jwks_uri) or pasted in (jwks).",
        issuer="spiffe://example.org",
        keys=_workloads(3600, reuse=True),
    ),
    "gatehouse": Preset(
        label="Another Gatehouse",
        situation="Another organisation's Gatehouse signs its people in and issues ID-JAGs for them.",
        issuer="https://auth.example.com/o",
        keys=_people("id-jag", groups=""),
    ),
}


class UnknownPresetError(ValueError):
    """There is no preset of this name; the text names those there are."""


def named(name: object) -> Preset:
    """The preset. Raises UnknownPresetError."""
    found = PRESETS.get(name) if isinstance(name, str) else None
    if found is None:
        near = near_miss.nearest(name, list(PRESETS)) if isinstance(name, str) else ""
        meant = f"; did you mean {near}?" if near else ""
        raise UnknownPresetError(f"{name!r} is none of {', '.join(PRESETS)}{meant}")
    return found


def filled(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item of `trusted_issuers` with what its `preset` adds, without the key itself. Raises UnknownPresetError."""
    given = {key: value for key, value in item.items() if key != "preset"}
    if "preset" not in item:
        return given
    preset = named(item["preset"])
    whole = {"name": preset.label, **({"issuer": preset.issuer} if preset.is_fixed else {}), **preset.keys, **given}
    # Of people's subjects each key counts by itself: who names the groups' claim has not said how people are found.
    if isinstance(given.get("subjects"), Mapping) and "subjects" in preset.keys:
        whole["subjects"] = {**preset.keys["subjects"], **given["subjects"]}
    return whole
