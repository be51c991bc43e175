"""How each kind of issuer is set up: what to ask for, what to copy there, and what to do there, in order. Pure.

A guide goes with a preset (xaa/trusted_issuers/presets.py) and one use: people who sign in, agents that present its
assertions, or workloads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from xaa.trusted_issuers import presets
from xaa.trusted_issuers.presets import Preset


class Use(StrEnum):
    """What the issuer is for; each is trusted for no more than that."""

    PEOPLE = "people"
    AGENTS = "agents"
    JOBS = "jobs"


ACCEPTS: Final[Mapping[Use, str]] = {Use.PEOPLE: "id_token", Use.AGENTS: "id-jag", Use.JOBS: "workload"}


class Finding(StrEnum):
    """How an identity that is not linked yet becomes a person."""

    ADDRESS = "address"
    CREATE = "create"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """`ask` names the one thing that tells the organisation's issuer from others, and `example` shows it; both are ""
    where all organisations have the same. `steps` are done at the issuer, with what is copied in hand.

    says_verified   whether its ID tokens have email_verified; without it, addresses count by domain alone.
    may_create      whether all who have an account there may become a person here.
    scopes          what is asked for; the usual ones if empty.
    """

    text: str = ""  # where the preset's own is about another use
    ask: str = ""
    example: str = ""
    steps: tuple[str, ...] = ()
    says_verified: bool = True
    may_create: bool = True
    fields: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


OTHER: Final = Preset(
    label="Another OpenID provider",
    situation="Any issuer with OpenID Connect Discovery.",
    issuer="https://id.example.com",
    keys={
        "accepts": ["id-jag", "id_token", "workload"],
        "subjects": {"match": ["sub", "email"], "create": False, "groups": "", "tenants": []},
    },
)

_GATEHOUSE = "https://auth.example.com/o"

GUIDES: Final[Mapping[Use, Mapping[str, Guide]]] = {
    Use.PEOPLE: {
        "okta": Guide(
            text="People sign in at Okta.",
            ask="Your Okta domain",
            example="acme.okta.com",
            steps=(
                "Applications → Create App Integration: OIDC, then Web Application.",
                "Sign-in redirect URIs: the redirect URI above. Nothing else is needed there.",
                "Assignments: the people or groups who may sign in.",
                "For groups: Sign On → OpenID Connect ID Token, a groups claim named “groups”.",
                "Copy the client ID and the client secret.",
            ),
            # Its groups claim is in ID tokens only if the scope is asked for.
            scopes=("openid", "profile", "email", "groups"),
        ),
        "entra": Guide(
            text="People sign in at Microsoft Entra ID. It does not say that it verified an address, so addresses count"
            " only in the domains that you name.",
            ask="Your tenant’s id",
            example="8c4f1d0e-0000-4000-8000-000000000000",
            steps=(
                "App registrations → New registration: accounts of this organisational directory only.",
                "Redirect URI: platform Web, the redirect URI above.",
                "Certificates & secrets → New client secret. Copy its value, which is shown once.",
                "Token configuration: add the optional claim email, and for groups a groups claim.",
                "Overview: copy the application (client) ID. The directory (tenant) ID stands beside it.",
            ),
            says_verified=False,
        ),
        "google-workspace": Guide(
            steps=(
                "Google Cloud console → OAuth consent screen: user type Internal.",
                "Credentials → Create credentials → OAuth client ID: Web application.",
                "Authorised redirect URIs: the redirect URI above.",
                "Copy the client ID and the client secret.",
            ),
            may_create=False,
        ),
        "keycloak": Guide(
            ask="The realm’s address",
            example="https://sso.example.com/realms/acme",
            steps=(
                "Clients → Create client: OpenID Connect.",
                "Client authentication on, Standard flow on.",
                "Valid redirect URIs: the redirect URI above.",
                "For groups: Client scopes → a mapper Group Membership, claim “groups”, without full path.",
                "Credentials: copy the client secret.",
            ),
        ),
        "auth0": Guide(
            ask="Your Auth0 domain",
            example="acme.eu.auth0.com",
            steps=(
                "Applications → Create Application: Regular Web Application.",
                "Settings → Allowed Callback URLs: the redirect URI above.",
                "Copy the client ID and the client secret.",
            ),
        ),
        "gatehouse": Guide(
            text="People sign in at another organisation's Gatehouse.",
            ask="Its issuer",
            example=_GATEHOUSE,
            steps=(
                "In its console: Agents → Add agent → An app that people sign in to, on a server.",
                "Redirect URIs: the redirect URI above.",
                "It has to be approved, and a rule has to let its people use it.",
                "Copy the client_id and the client_secret.",
            ),
        ),
        "other": Guide(
            ask="Its issuer",
            example="https://id.example.com",
            steps=(
                "Register a confidential web client with the code flow.",
                "Its redirect URI: the one above, letter by letter.",
                "Scopes: openid, profile and email.",
                "Copy the client ID and the client secret.",
            ),
        ),
    },
    Use.AGENTS: {
        "okta": Guide(
            text="Okta issues ID-JAGs (Cross App Access) for your people, which agents present here.",
            ask="Your Okta domain",
            example="acme.okta.com",
            steps=(
                "Add this server as a resource app for Cross App Access.",
                "Its issuer there, and so the audience of the ID-JAGs: the audience above.",
                "Connect the agents that may ask for ID-JAGs for it.",
            ),
            says_verified=False,
        ),
        "anthropic": Guide(
            ask="The issuer that Claude shows",
            example="https://identity.anthropic.com/issuers/TENANT",
            steps=(
                "In Claude’s organisation settings, set up identity for connectors. It shows your issuer.",
                "The authorization server there: the audience above.",
                "Claude has no secret: afterwards name claude.ai here, under Clients without a secret (All fields).",
            ),
        ),
        "gatehouse": Guide(
            ask="Its issuer",
            example=_GATEHOUSE,
            steps=(
                "In its console: Servers elsewhere → Add: the issuer is the audience above.",
                "Add the MCP servers here that its agents may ask for, with their scopes.",
                "A rule there has to let its people use them.",
            ),
        ),
        "other": Guide(
            ask="Its issuer",
            example="https://id.example.com",
            steps=(
                "Let it issue ID-JAGs (typ oauth-id-jag+jwt) whose aud is the audience above.",
                "Each names the client_id of an agent here, and the MCP server as resource.",
            ),
        ),
    },
    Use.JOBS: {
        "kubernetes": Guide(
            ask="The cluster’s issuer",
            example="https://kubernetes.default.svc.cluster.local",
            steps=(
                "kubectl get --raw /.well-known/openid-configuration shows the issuer.",
                "A private cluster: kubectl get --raw /openid/v1/jwks shows the keys to paste.",
                "Project a service account token into the pod, with the audience above.",
            ),
            fields=("jwks",),
        ),
        "github-actions": Guide(
            steps=(
                "In the workflow: permissions: id-token: write.",
                "Ask for the token with the audience above: core.getIDToken(audience).",
            ),
        ),
        "gitlab": Guide(
            ask="Its address",
            example="https://gitlab.com",
            steps=("In the job: id_tokens with aud set to the audience above.",),
        ),
        "aws-sts": Guide(
            ask="The account’s issuer",
            example="https://ISSUER-ID.tokens.sts.global.api.aws",
            steps=(
                "Enable outbound identity federation for the account. It names the issuer.",
                "Call GetWebIdentityToken with the audience above.",
            ),
        ),
        "azure-managed-identity": Guide(
            ask="Your tenant’s id",
            example="8c4f1d0e-0000-4000-8000-000000000000",
            steps=(
                "Register an application that stands for this server; its id is the audience.",
                "Ask the metadata service for a token with that id as resource.",
            ),
            fields=("audience",),
        ),
        "spiffe": Guide(
            ask="The trust domain",
            example="spiffe://example.org",
            steps=("Ask the Workload API for a JWT-SVID with the audience above.",),
            fields=("jwks_uri", "jwks"),
        ),
        "other": Guide(
            ask="Its issuer",
            example="https://id.example.com",
            steps=("Let the platform issue tokens whose aud is the audience above.",),
            fields=("jwks",),
        ),
    },
}  # fmt: skip


def preset_of(name: str) -> Preset:
    return OTHER if name == "other" else presets.PRESETS[name]


def text_of(use: Use, name: str) -> str:
    """When to take it, in a sentence or two."""
    return GUIDES[use][name].text or preset_of(name).situation


def issuer_of(name: str, text: str) -> str:
    """The issuer that an administrator means: a domain, a tenant's id, an address of its metadata, or itself."""
    given = text.strip().partition("/.well-known/")[0]
    if name in {"entra", "azure-managed-identity"} and "/" not in given:
        return f"https://login.microsoftonline.com/{given.lower()}/v2.0" if given else ""
    if name == "spiffe" and "://" not in given:
        return f"spiffe://{given}" if given else ""
    if given and "://" not in given:
        given = f"https://{given}"
    host = urlsplit(given).hostname or ""
    if name == "okta":
        # The administrators' console has a name of its own.
        given = given.replace("-admin.okta", ".okta", 1) if "-admin.okta" in host else given
        return given.rstrip("/")
    if name == "auth0":
        return f"{given.rstrip('/')}/" if given else ""
    return given


def item_of(use: Use, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The item of `trusted_issuers` that a set-up comes to. It is saved disabled: it does not count yet.

    `given` has issuer and name; for people client_id, secret, finding and domains; for jobs jwks, jwks_uri, audience.
    """
    preset = preset_of(name)
    keys = dict(preset.keys)
    subjects = dict(keys.pop("subjects", {}))
    item: dict[str, Any] = {**keys, "issuer": given["issuer"], "name": given["name"], "enabled": False}
    item["accepts"] = [ACCEPTS[use]]
    if use is Use.JOBS:
        return item | {key: given[key] for key in ("jwks", "jwks_uri", "audience") if given.get(key)}
    finding, domains = Finding(given["finding"]), list(given.get("domains") or ())
    subjects["match"] = ["sub"] if finding is Finding.LINK else ["sub", "email"]
    subjects["create"] = finding is Finding.CREATE
    item |= {"subjects": subjects, "email_domains": domains}
    # Silence about verification is believed only for the domains that are named (attack 23).
    item["email_trusted"] = bool(domains) and is_silent(use, name)
    if use is Use.PEOPLE:
        scopes = GUIDES[use][name].scopes
        item["sign_in"] = {"client_id": given["client_id"], **({"scopes": [*scopes]} if scopes else {})}
        if given.get("secret"):
            item["sign_in_secret"] = given["secret"]
    return item


def is_silent(use: Use, name: str) -> bool:
    """Whether its assertions don't say that an address is verified: then it counts only by its domain."""
    return not GUIDES[use][name].says_verified


def findings(use: Use, name: str) -> tuple[Finding, ...]:
    """The ways of finding people that are offered."""
    return tuple(one for one in Finding if one is not Finding.CREATE or GUIDES[use][name].may_create)
