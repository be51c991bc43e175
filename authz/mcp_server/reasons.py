"""The MCP server's reasons for refusals: precise for the operator, the codes of RFC 6750 §3.1 in responses."""

from authz.protocol.errors import RefusalReason

_INVALID = "The access token is malformed, expired or revoked."


class McpReason(RefusalReason):
    UNAUTHENTICATED = "mcp_unauthenticated", "invalid_token", "Send an access token."
    CREDENTIALS_UNKNOWN = "mcp_credentials_unknown", "invalid_request", "Send one access token as a Bearer token."
    TOKEN_INVALID = "mcp_token_invalid", "invalid_token", _INVALID
    TOKEN_FOR_ANOTHER = "mcp_token_for_another", "invalid_token", _INVALID
    TOKEN_ENDED = "mcp_token_ended", "invalid_token", _INVALID
    SCOPE_INSUFFICIENT = (
        "mcp_scope_insufficient",
        "insufficient_scope",
        "The access token does not have the scope for this tool.",
    )
    ROLE_INSUFFICIENT = "mcp_role_insufficient", "access_denied", "Your role does not allow this."
    ORIGIN_FOREIGN = "mcp_origin_foreign", "access_denied", "Pages of other origins may not call this."
    TASK_OF_ANOTHER = "mcp_task_of_another", "access_denied", "There is no such task."
    STREAMS_TAKEN = "mcp_streams_taken", "slow_down", "Too many streams are open. Poll, or end another one."
    SESSION_OF_ANOTHER = "mcp_session_of_another", "access_denied", "There is no such session: begin anew."
    SAMPLING_UNEXPECTED = "mcp_sampling_unexpected", "invalid_request", "No such message is waited for."
    SAMPLING_OF_ANOTHER = "mcp_sampling_of_another", "invalid_request", "No such message is waited for."
    SAMPLING_TOOL = "mcp_sampling_tool", "access_denied", "The model may not use this tool."
