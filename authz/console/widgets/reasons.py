"""“Why was this refused?”: each precise reason with a sentence for the person who reads the audit (pure)."""

from collections.abc import Mapping

# Where the name alone does not say what to do about it.
REMEDIES: Mapping[str, str] = {
    "client_unknown": "No agent has this client_id. It is misspelt, or it was never registered.",
    "client_not_approved": "The agent is known, and waits for an approval or is suspended. Approve it on its page.",
    "client_secret_wrong": "The secret is not the agent's. If it lost its own, its owner makes a new one on its page.",
    "client_authentication_wrong_method": (
        "The agent proves who it is in another way than the one it is registered for; the detail names both, and says"
        " where the secret was right."
    ),
    "client_assertion_audience": (
        "The client assertion is meant for another server: its audience must be this issuer alone."
    ),
    "client_assertion_replayed": (
        "The same client assertion was used before. An agent that reuses them needs the switch for it."
    ),
    "code_replayed": (
        "The code was used before. Everything that it led to was ended, since somebody may have stolen it."
    ),
    "refresh_token_replayed": (
        "An old refresh token came back after the window for retries. The whole family was ended, since one of two"
        " holders is a thief."
    ),
    "authorization_revoked": "The authorization was ended before. The agent has to ask again.",
    "subject_denied": "The rules do not let this person use this agent here. Try it in the simulator.",
    "subject_inactive": "The person's account is disabled.",
    "denied_by_policy": "No rule allows it, or one denies it. Try it in the simulator.",
    "resource_unknown": "No MCP server with this identifier is registered and active.",
    "resource_missing": "The request names no MCP server, and there is no default one.",
    "scope_unknown": "None of the scopes exists at this MCP server.",
    "scope_not_registered": "The agent is registered for none of these scopes. Change “scope” on its page.",
    "resource_without_scopes": "This MCP server has no scopes, so that nothing can be granted. Give it one.",
    "approval_pending": "It waits for a human to approve it.",
}


def explain(reason: str) -> str:
    return REMEDIES.get(reason, f"{reason.replace('_', ' ').capitalize()}.")
