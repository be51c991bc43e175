"""What each reason of a decision on a call means, and what to do about it (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.audit.explanations import REQUESTS, SERVERS
from authz.protocol.explanations import Explanation, Place

EXPLANATIONS: Mapping[str, Explanation] = {
    "json_malformed": Explanation(
        (
            "The body is not a JSON object that can be read in one way only: duplicate names, numbers "
            "that a reader would round, half a surrogate pair, nesting; `detail` says what."
        ),
        "Send well-formed JSON without duplicate names, and long numbers as texts.",
    ),
    "evaluation_malformed": Explanation(
        "The request is not as AuthZEN describes it; `detail` names the member.",
        "Correct the member that the detail names.",
    ),
    "decisions_not_allowed": Explanation(
        "The client authenticated, but no MCP server names it in `decision_clients`.",
        "Name the client in `decision_clients` of the MCP server that it asks for.",
        SERVERS,
    ),
    "message_malformed": Explanation(
        "The body that a gateway passed on is no message of MCP, or one that two servers could read differently.",
        "Look at the program that sent it. Clients that are made with an SDK of MCP send nothing of the kind.",
    ),
    "check_incomplete": Explanation(
        "A gateway asked without the whole request: its body is missing or was cut, or it names no MCP server.",
        "Let the gateway pass on the body, at least 64 KiB of it, and `Gatehouse-Resource`.",
        SERVERS,
    ),
    "denial_binding_wrong": Explanation(
        "An access request does not belong to a denial of this very call, or came more than ten minutes after it.",
        "Evaluate the call again, and submit its `binding_token` with the same subject, action and resource.",
    ),
    "token_not_live": Explanation(
        (
            "The access token is unknown, expired, ended, no longer allowed as a whole, or for an MCP "
            "server that the caller may not ask about."
        ),
        "Look at the story of the authorization. For a token of another MCP server, check who sent it there.",
        Place.STORY,
    ),
    "call_without_key": Explanation(
        "A rule that allows the call wants its token to be bound to a key, and it is not.",
        "The agent asks for a token with a DPoP proof. Or take proof_of_possession off the rule.",
    ),
    "call_without_scope": Explanation(
        "The MCP server says that the call needs a scope which the token does not have.",
        "The agent has to ask for the scope, and the person has to consent.",
        Place.STORY,
    ),
    "call_denied": Explanation(
        "The rules do not allow this call; the event has the rules and the question.",
        "Ask “Why?” on the event’s page. If the call should be allowed, change the rule that it names.",
        Place.STORY,
    ),
    "call_waits": Explanation(
        "A rule requires an approval of this call, and there is none, or it was used.",
        "The MCP server asks for an approval; decide the access request.",
        REQUESTS,
    ),
    "call_step_up": Explanation(
        "The rules allow this call only after another sign-in.",
        "The person signs in again, as the rule asks.",
    ),
    "call_unknown": Explanation(
        "The request names neither a tool nor a method of MCP that is known.",
        "Send *tools/call* with a resource of type `tool`.",
    ),
}
