"""The management API as a protected resource of this server: its identifier and its scopes."""

from collections.abc import Mapping

from authz.conf import conf

READ = "gatehouse:read"
WRITE = "gatehouse:write"
APPROVE = "gatehouse:approve"
PLAN = "gatehouse:plan"
# With the texts of the consent page.
SCOPES: Mapping[str, str] = {
    READ: "Read the configuration, the agents, the access requests and the audit, as far as you may",
    WRITE: "Change the configuration, people and rules included, and register agents, as far as you may",
    APPROVE: "Approve agents, plans and access requests, and end access, as far as your role allows",
    PLAN: "Plan changes of the configuration, and apply plans that another person approved",
}
# What a caller without a token is told to ask for: all but what an API that was registered earlier may lack.
USUAL_SCOPES = (READ, WRITE, APPROVE)


def identifier() -> str:
    """The `resource` of token requests for the API, and the `aud` of its tokens."""
    return f"{conf.origin}/api"
