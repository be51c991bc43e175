"""What each reason of a directory's refused request means, and what to do (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.protocol.explanations import Explanation, ListPage

DIRECTORIES = ListPage("Directories", "admin:xaa_directory_changelist")
_NEW_TOKEN = "Make a new SCIM token for the directory, and enter it there."  # noqa: S105  a sentence

EXPLANATIONS: Mapping[str, Explanation] = {
    "scim_unauthenticated": Explanation(
        "The request has no bearer token.", "Enter a SCIM token of the directory there.", DIRECTORIES
    ),
    "scim_token_unknown": Explanation(
        "The token is none that this server made, or one that was changed on its way.", _NEW_TOKEN, DIRECTORIES
    ),
    "scim_token_expired": Explanation("The SCIM token has expired.", _NEW_TOKEN, DIRECTORIES),
    "scim_token_withdrawn": Explanation("The SCIM token was withdrawn.", _NEW_TOKEN, DIRECTORIES),
    "scim_token_not_live": Explanation(
        "The access token is for another resource, has ended, acts for a person, or is that of an agent that no"
        " directory names.",
        "Name the agent in the directory, register the SCIM endpoint as an MCP server, and give the agent its scopes.",
        DIRECTORIES,
    ),
    "scim_directory_off": Explanation(
        "The directory, or its trusted issuer, is switched off.", "Switch it on again.", DIRECTORIES
    ),
    "scim_scope_missing": Explanation(
        "The access token has neither scim:read nor scim:write.", "Give the agent the scope by a rule."
    ),
    "scim_request_malformed": Explanation(
        "The request is not as RFC 7644 describes it, or exceeds a bound; `detail` says what is wrong.",
        "Correct the mapping of attributes in the directory.",
    ),
    "scim_not_there": Explanation(
        "The directory asked for a person or a group that it does not have here.",
        "Nothing, if it was deleted. Otherwise have the directory look for its people again.",
    ),
    "scim_taken": Explanation(
        "Another person or group of the directory has this userName, displayName or externalId.",
        "Find the two in the directory, and change one.",
        DIRECTORIES,
    ),
    "scim_changed": Explanation(
        "The resource was changed since the directory read it (If-Match).", "Nothing. The directory reads it again."
    ),
    "scim_person_kept": Explanation(
        "The person is another directory's or another one at the issuer, has a role here, or is the last administrator;"
        " `detail` says which.",
        "Link the identity by hand, if it is the same person, or make another administrator first.",
        ListPage("Linked identities", "admin:xaa_subjectlink_changelist"),
    ),
}
