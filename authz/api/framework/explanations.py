"""What each reason of the management API and the console means, and what to do (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.audit.explanations import SERVERS
from authz.protocol.explanations import Explanation, ListPage, Place

PLANS = ListPage("Plans", "admin:authz_configurationplan_changelist")

EXPLANATIONS: Mapping[str, Explanation] = {
    "api_token_invalid": Explanation(
        "The access token is not ours, malformed or expired.", "Ask for a new token for the API."
    ),
    "api_token_for_another": Explanation(
        "It is for another resource, or the API is not registered.",
        "Ask for a token whose resource is the API, and register the API as an MCP server.",
        SERVERS,
    ),
    "api_token_ended": Explanation(
        "Its authorization, agent or person has ended, or the rules no longer allow it.",
        "Ask for a new token. The story of its authorization says what ended it.",
        Place.STORY,
    ),
    "api_credentials_unknown": Explanation(
        "The Authorization header is no Bearer token.", "Send Authorization: Bearer and the token."
    ),
    "api_scope_insufficient": Explanation(
        "The token does not have the scope that the permission in `detail` needs.",
        "Ask for the scope, and let a rule allow it.",
        Place.RULES,
    ),
    "api_role_insufficient": Explanation(
        "The person’s role does not have the permission in `detail`.",
        "Give the person a role that has the permission.",
        Place.PERSON,
    ),
    "api_unauthenticated": Explanation("The request has neither a token nor a session.", "Send an access token."),
    "api_not_allowed": Explanation(
        "Something else that this caller may not do; `detail` says what.", "The detail says what stands against it."
    ),
    "api_request_forged": Explanation(
        "A session’s request came without its CSRF token.", "Send the CSRF token, or use an access token."
    ),
    "console_query_not_offered": Explanation(
        (
            "A page of the console was asked for what it does not offer (a look-up, an order, a choice or a key of no "
            "row)."
        ),
        "Open the list again without the query.",
    ),
    "plan_unusable": Explanation(
        (
            "A plan of the configuration was used before, waits for an approval, has expired, is the approver’s own, "
            "or would do something else by now; `detail` says which."
        ),
        "Read the plan’s page. Where the configuration has changed since, plan the file again.",
        PLANS,
    ),
}
