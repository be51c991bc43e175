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
    "mcp_streams_taken": Explanation(
        "An agent wanted to listen to its tasks. It has as many streams as one may, or this process has no place left.",
        "The agent can poll. One that opens streams again and again does not close them.",
        Place.STORY,
    ),
    "mcp_session_of_another": Explanation(
        "The Mcp-Session-Id is not what this server gave to this agent for this person: another’s, made up, or of a"
        " secret key that was changed.",
        "Let the client begin anew (initialize). A client that mixes its people up, or a stolen id, shows here, too.",
        Place.STORY,
    ),
    "mcp_sampling_unexpected": Explanation(
        "A client answered a question to its model that this server did not ask, or no longer waits for: made up, too"
        " late, or answered before.",
        "Ask again. If it repeats, the client answers more slowly than the time that a question has.",
        Place.STORY,
    ),
    "mcp_sampling_of_another": Explanation(
        "An agent answered a question that was put to the model of another agent, person or session.",
        "A client that mixes its people up, or a stolen id. The event has the agent and the person.",
        Place.STORY,
    ),
    "mcp_sampling_tool": Explanation(
        "The client’s model named a tool that it was not offered; `detail` has its name. It got an error, and nothing"
        " happened.",
        "Read what the model had read before: a text by a stranger may have told it to.",
        Place.STORY,
    ),
}
