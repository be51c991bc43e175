"""What each reason of the MCP server means, and what to do about it (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.audit.explanations import SERVERS
from authz.protocol.explanations import Explanation, Place

EXPLANATIONS: Mapping[str, Explanation] = {
    "mcp_unauthenticated": Explanation("The request has no token.", "Let the client get one; the answer says where."),
    "mcp_credentials_unknown": Explanation(
        "The Authorization header is no Bearer token, or a token came in the URL.",
        "Send Authorization: Bearer and the token, and nothing in the URL.",
    ),
    "mcp_token_invalid": Explanation(
        "The access token is not ours, malformed or expired.", "Ask for a new token for this MCP server."
    ),
    "mcp_token_for_another": Explanation(
        "It is for another resource, or this server’s own MCP server is not registered.",
        "Ask for a token whose resource is this MCP server, and register it.",
        SERVERS,
    ),
    "mcp_token_ended": Explanation(
        "Its authorization, agent or person has ended, or the rules no longer allow it.",
        "Ask for a new token. The story of its authorization says what ended it.",
        Place.STORY,
    ),
    "mcp_scope_insufficient": Explanation(
        "The token does not have the scope of the tool in `detail`.",
        "Ask for the scope, and let a rule allow it.",
        Place.RULES,
    ),
    "mcp_role_insufficient": Explanation(
        "The person’s role does not have the permission that the tool in `detail` needs.",
        "Give the person a role that has the permission.",
        Place.PERSON,
    ),
    "mcp_origin_foreign": Explanation(
        "A page of another origin called the MCP server by a browser: DNS rebinding, or a client in a web page.",
        "Connect with a client that is no web page.",
    ),
    "mcp_task_of_another": Explanation(
        "An agent named a task that another agent, or another person, had opened.",
        "A client that mixes its people up, or a stolen id. The event has the agent and the person.",
        Place.STORY,
    ),
}
