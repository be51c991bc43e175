"""ID-JAGs in the shapes that identity providers document, without who signs them.

Sources, read in November 2026. Okta: developer.okta.com, “Contents of ID-JAG” of the guides to AI agents and Cross App
Access (RS256, `email` alone, `resource` only if asked for, `act` of an AI agent, `sub_id` for SAML). Entra ID issues no
ID-JAGs: these are the claims of its version 2.0 tokens (learn.microsoft.com, “Access token claims reference”: `tid`,
`oid`, `uti`, `rh`, a pairwise `sub`, no word about addresses). Anthropic: the guides of Statsig, Mixpanel and Supabase
to Claude-issued identity name the issuer, the address as what people are matched by, and an hour's connection; the rest
is MCP's enterprise-managed authorization §4.3. Claude's document is the client.
"""

import time
from dataclasses import dataclass
from typing import Any

from tests.support.world import NOTES
from tests.xaa.company import AGENT

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OKTA, ENTRA = "https://acme.okta.com", f"https://login.microsoftonline.com/{TENANT}/v2.0"
ANTHROPIC = "https://identity.anthropic.com/issuers/acme"


@dataclass(frozen=True, slots=True)
class Shape:
    """What an issuer writes, beside the times and the `jti` of each; and what an administrator writes about it."""

    issuer: str
    header: dict[str, Any]
    claims: dict[str, Any]
    keys: dict[str, Any]
    lives: int = 300


SHAPES = {
    "Okta": Shape(
        OKTA,
        {"typ": "oauth-id-jag+jwt"},
        {
            "sub": "00u1a2b3c4D5E6F7G8H9",
            "client_id": AGENT[0],
            "scope": "mcp:read offline_access",
            "email": "bob@example.com",
            "act": {"sub": "wlpa0eiuaoCNrpoaE0g7", "sub_profile": "ai_agent"},
        },
        {"email_trusted": True, "email_domains": ["example.com"], "subjects": {"match": ["sub", "email"]}},
    ),
    "Okta, of an application that signs in by SAML": Shape(
        OKTA,
        {"typ": "oauth-id-jag+jwt"},
        {
            "sub": "00u1a2b3c4D5E6F7G8H9",
            "client_id": AGENT[0],
            "email": "bob@example.com",
            "sub_profile": "user",
            "act": {"sub": "wlpa0eiuaoCNrpoaE0g7", "sub_profile": "ai_agent"},
            "resource": NOTES,
            "scope": "mcp:read",
            "sub_id": {
                "format": "saml-nameid",
                "issuer": "http://www.okta.com/exk1fcia8zMValiD0h8",
                "nameid": "bob@example.com",
                "nameid_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            },
        },
        {"email_trusted": True, "email_domains": ["example.com"], "subjects": {"match": ["sub", "email"]}},
    ),
    "Entra ID": Shape(
        ENTRA,
        {"typ": "oauth-id-jag+jwt", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
        {
            "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "tid": TENANT,
            "client_id": AGENT[0],
            "azp": AGENT[0],
            "email": "bob@example.com",
            "preferred_username": "bob@example.com",
            "name": "Bob",
            "scope": "mcp:read",
            "ver": "2.0",
            "uti": "bn3ZtpbEmkC6ELIWFyx6AA",
            "rh": "0.ARoAv4j5cvGGr0GRqy180BHbR4Lkzd",
            "aio": "Df2UVXL1ix!lMCWMSOJBcFatzcGfvFGhjKv8q5g0x732dR5MB5BisvGQO7YWByjd8iQDLq",
        },
        {"email_trusted": True, "email_domains": ["example.com"], "subjects": {"match": ["sub", "email"]}},
    ),
    "Anthropic": Shape(
        ANTHROPIC,
        {"typ": "oauth-id-jag+jwt"},
        {
            "sub": "U019488227",
            "email": "bob@example.com",
            "email_verified": "true",
            "client_id": AGENT[0],
            "resource": NOTES,
            "scope": "mcp:read mcp:write",
            "auth_time": int(time.time()) - 60,
            "amr": ["pwd", "otp"],
        },
        {"subjects": {"match": ["sub", "email"]}},
        lives=60,
    ),
}
