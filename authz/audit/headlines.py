"""Events in a few words, for lists: “Token issued” beside `token:access:issued` (pure)."""

# Where the words of the name itself would say too little, or say it twice.
_HEADLINES = {
    "token:access:issued": "Token issued",
    "token:access:refused": "Token refused",
    "token:access:introspected": "Token introspected",
    "token:deferral:issued": "Request deferred",
    "token:deferral:redeemed": "Deferred request answered",
    "token:deferral:ended": "Deferred request ended",
    "token:authorization:rotation_recovered": "Refresh token recovered",
    "token:authorization:family_revoked": "Refresh tokens revoked after a replay",
    "token:id_jag:issued": "ID-JAG issued",
    "token:id_jag:public_client": "ID-JAG issued to a public client",
    "token:id_jag:redeemed_without_secret": "ID-JAG redeemed without a secret",
    "token:id_jag:answer_repeated": "ID-JAG answered again",
    "authorize:code:issued": "Authorization code issued",
    "authorize:request:refused": "Authorization request refused",
    "policy:access_request:explained": "Reason added to an access request",
    "policy:access_request:seconded": "Access request approved by one of several",
    "policy:reach:exported": "Who reaches what exported",
    "policy:access:cut_off": "Access ended",
    "policy:access:undo_refused": "Undo refused",
    "person:session:started": "Signed in",
    "person:session:refused": "Sign-in refused",
    "person:session:ended": "Signed out",
    "person:sign_in:ended": "Sign-in by an issuer ended",
    "person:factor:accepted": "Second factor accepted",
    "person:factor:reset": "Second factors removed by an administrator",
    "person:invitation:made": "Person invited",
    "person:invitation:used": "Invitation used",
    "person:invitation:voided": "Invitation taken back",
    "person:invitation:refused": "Invitation refused",
    "key:secrets:reencrypted": "Secrets encrypted again",
    "audit:refusals:left_out": "Refusals left out",
    "operation:backup:restored": "Backup restored",
    "configuration:object:created": "Configuration added",
    "configuration:object:changed": "Configuration changed",
    "configuration:object:ended": "Ended with its history kept",
    "configuration:object:removed": "Configuration removed",
    "configuration:plan:made": "Change planned",
    "configuration:plan:approved": "Plan approved",
    "configuration:plan:declined": "Plan declined",
    "configuration:plan:applied": "Plan applied",
    "configuration:plan:refused": "Plan refused",
    "api:request:refused": "API request refused",
    "console:protection:checked": "Protection of an MCP server checked",
    "console:protection:found": "Protection of an MCP server judged",
    "console:request:refused": "Console request refused",
    "agent:status:approved": "Agent approved",
    "agent:status:rejected": "Agent rejected",
    "agent:status:suspended": "Agent suspended",
    "agent:status:retired": "Agent retired",
    "agent:secret:made": "New secret made",
    "audit:events:archived": "Audit archived",
    "audit:destination:tested": "Destination of the audit tested",
    "audit:events:exported": "Audit exported",
    "cimd:document:first_seen": "Metadata document first seen",
    "cimd:document:fetch_failed": "Metadata document could not be fetched",
    "cimd:document:changed": "Metadata document changed",
    "cimd:client:quarantined": "Agent held after a change of its document",
    "cimd:client:approved": "Agent with a document approved",
    "cimd:client:trust_withdrawn": "Trust in an agent’s host withdrawn",
    "registration:client:registered": "Agent registered itself",
    "registration:client:changed": "Agent changed its registration",
    "registration:client:removed": "Agent removed its registration",
    "registration:client:refused": "Registration refused",
    "subject:link:created": "Person linked to an issuer",
    "subject:link:removed": "Link to an issuer removed",
    "subject:person:created": "Person created from an issuer",
    "subject:address:unused": "Address of an issuer not used",
    "subject:groups:changed": "Groups changed by an issuer",
    "subject:groups:unsaid": "Groups not said by an issuer",
}


def headline(event: str) -> str:
    """`key:signing:promoted` is “Signing key promoted”."""
    if (told := _HEADLINES.get(event)) is not None:
        return told
    parts = [part.replace("_", " ") for part in event.split(":")]
    if len(parts) != 3:
        return event
    source, subject, action = parts
    about = f"{subject} {source}" if source == "key" else subject
    return f"{about} {action}".capitalize()
