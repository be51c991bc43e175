"""The meaning of each reason of the core for a reader of the audit, and what to do about it.

`docs/audit.md` has the same sentences. `cimd` and `xaa` have modules of the same shape; `authz/registry.py` joins them
(REASON_EXPLANATIONS in `authz/settings.py`).
"""

from collections.abc import Mapping

from authz.protocol.explanations import Explanation, ListPage, Place

AGENTS = ListPage("Agents", "admin:authz_client_changelist")
SERVERS = ListPage("MCP servers", "admin:authz_protectedresource_changelist")
REQUESTS = ListPage("Access requests", "admin:authz_accessrequest_changelist")
KEYS = ListPage("Signing keys", "admin:authz_signingkey_changelist")
PEOPLE = ListPage("People", "admin:authz_user_changelist")
HEALTH = ListPage("Health", "admin:index")

EXPLANATIONS: Mapping[str, Explanation] = {
    "method_not_allowed": Explanation(
        "The endpoint does not answer this HTTP method.",
        "Use POST for the token, introspection and revocation endpoints.",
    ),
    "unsupported_media_type": Explanation(
        "The body is not form data.", "Send the parameters as application/x-www-form-urlencoded, not as JSON."
    ),
    "malformed_body": Explanation(
        "The form data is malformed: bad percent-encoding, bad UTF-8, NUL, too many parameters.",
        "Have the agent’s HTTP library encode the form.",
    ),
    "body_too_large": Explanation("The body is larger than 64 KiB.", "Send fewer or shorter parameters."),
    "duplicate_parameter": Explanation("A parameter was sent twice; `detail` names it.", "Send each parameter once."),
    "missing_parameter": Explanation(
        "A required parameter is missing; `detail` names it.", "Send the parameter that the detail names."
    ),
    "malformed_parameter": Explanation(
        "A parameter’s value cannot be read; `detail` names it.", "Correct the parameter that the detail names."
    ),
    "request_too_long": Explanation(
        "An authorization request is longer than 12,000 characters even after compression, so it would not "
        "survive a sign-in. The person sees a page.",
        "Ask for fewer scopes, or send a shorter state.",
    ),
    "request_object": Explanation(
        "OpenID Connect’s `request` was sent, which is not supported.",
        "Send the parameters themselves instead of a request object.",
    ),
    "request_uri_unknown": Explanation(
        "The `request_uri` is unknown, has expired, or was given to another client.",
        "The person goes back to the application and begins again. A request that was pushed has to reach the browser"
        " within 90 seconds.",
    ),
    "request_uri_used": Explanation(
        "A pushed request was answered already.", "The person goes back to the application and begins again."
    ),
    "request_uri_pushed": Explanation(
        "A pushed request has a `request_uri`.", "Push the parameters themselves, without a request_uri."
    ),
    "request_not_pushed": Explanation(
        "The authorization request was not pushed ahead, and the agent or the server demands it.",
        "The agent pushes its requests (PAR). Or take require_pushed_authorization_requests off the agent, or"
        " GATEHOUSE_REQUIRE_PAR off the server.",
    ),
    "request_uri": Explanation(
        "OpenID Connect’s `request_uri` was sent, which is not supported.",
        "Send the parameters themselves instead of a request object.",
    ),
    "client_unknown": Explanation(
        "No client has this client id.",
        "Check the spelling, or register the agent. An agent that was removed has to be registered again.",
        AGENTS,
    ),
    "client_not_approved": Explanation(
        "The client is pending, suspended or retired; `detail` says which.",
        "Approve the agent, or renew its approval. A suspended agent comes back with “approve”. "
        "One whose owner has left needs another owner with it.",
        Place.AGENT,
    ),
    "client_authentication_missing": Explanation(
        "The request names no client.", "Send client_id, and the secret or the assertion with it."
    ),
    "client_authentication_malformed": Explanation(
        "The Authorization header cannot be read.",
        "Encode id and secret as RFC 6749 §2.3.1 says: each form-encoded, joined by a colon, then Base64.",
    ),
    "client_authentication_mixed": Explanation(
        "More than one way of client authentication was used.",
        "Use one way only: the header or the body, a secret or an assertion.",
    ),
    "client_authentication_wrong_method": Explanation(
        "The client is registered for another method than the one it used.",
        "Change the agent’s code to the registered method, or the registered method on the agent’s page. The "
        "detail names both.",
        Place.AGENT,
    ),
    "client_secret_wrong": Explanation(
        "The secret is not the client’s.",
        "Give the agent its secret again. If it is lost, make a new one on the agent’s page.",
        Place.AGENT,
    ),
    "client_id_mismatch": Explanation(
        "`client_id` in the body is not the client that authenticated.",
        "Send the same client_id everywhere, or leave it out of the body.",
    ),
    "client_assertion_malformed": Explanation(
        "The client assertion is not a well-formed JWT.", "Have a JWT library make the client assertion."
    ),
    "client_assertion_wrong_type": Explanation(
        "`client_assertion_type` or the JWT’s `typ` is another one.",
        "Send client_assertion_type urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
    ),
    "client_assertion_algorithm": Explanation(
        "The assertion’s algorithm is not accepted.",
        "Sign with an algorithm that the metadata lists for the token endpoint.",
    ),
    "client_assertion_signature": Explanation(
        "No registered key verifies the assertion.",
        "Register the public key that belongs to the agent’s private key, or sign with the registered one.",
        Place.AGENT,
    ),
    "client_assertion_issuer": Explanation(
        "`iss` or `sub` is not the client’s id.", "Set iss and sub of the assertion to the client_id."
    ),
    "client_assertion_audience": Explanation(
        "The assertion is not for this issuer alone.",
        "Set aud of the assertion to this issuer, and to nothing beside it.",
    ),
    "client_assertion_expired": Explanation(
        "The assertion has expired, or has no usable `exp`.",
        "Make a new assertion for each request, and set the clock of the agent’s machine.",
    ),
    "client_assertion_not_yet_valid": Explanation(
        "`nbf` or `iat` lies in the future.", "Set the clock of the agent’s machine."
    ),
    "client_assertion_lifetime": Explanation("The assertion lives too long.", "Let the assertion live for minutes."),
    "client_assertion_jti_missing": Explanation(
        "The assertion has no usable `jti`.", "Give each assertion a jti of its own."
    ),
    "client_assertion_replayed": Explanation(
        "The assertion was used before.",
        "Make a new assertion for each request. For an SDK that signs once, switch on “reuse assertions” on the "
        "agent’s page.",
        Place.AGENT,
    ),
    "client_keys_unavailable": Explanation(
        "The client’s `jwks_uri` has no valid set of public keys, does not exist any more, or is at an address to "
        "which this server does not connect.",
        "Publish a set of public keys at the agent’s jwks_uri, or correct the address.",
        Place.AGENT,
    ),
    "client_keys_unreachable": Explanation(
        "The host of the client’s keys does not answer (DNS, connection, TLS, time, 429 or 5xx); `detail` has the "
        "cause. No source is counted as noisy for it.",
        "Wait, or ask the agent’s operator about the host.",
        HEALTH,
    ),
    "client_keys_on_their_way": Explanation(
        "The client’s keys are being fetched, and the maximum number of requests already waits for them.",
        "Wait. The agent tries again by itself.",
    ),
    "grant_type_unsupported": Explanation(
        "This server has no such grant.", "Use a grant type that the metadata lists."
    ),
    "grant_type_not_registered": Explanation(
        "The client is not registered for the grant.",
        "Add the grant type on the agent’s page, if the agent is meant to use it.",
        Place.AGENT,
    ),
    "code_unknown": Explanation("There is no such code.", "Start again from the sign-in."),
    "code_expired": Explanation(
        "The code has expired.", "Redeem the code within a minute. Start again from the sign-in."
    ),
    "code_replayed": Explanation(
        "The code was used before; the tokens that came from it have ended.",
        "Find out who had the code: everything that it led to has ended, since it may have been stolen.",
        Place.STORY,
    ),
    "code_of_another_client": Explanation(
        "The code was issued to another client.", "Find out how one agent came by the code of another.", Place.AGENT
    ),
    "code_redirect_uri_mismatch": Explanation(
        "The redirect URI is not the one of the authorization request.",
        "Send the redirect_uri of the authorization request, letter by letter.",
    ),
    "code_verifier_wrong": Explanation(
        "The PKCE verifier does not match.",
        "Send the code_verifier that the code_challenge was made from. A code that was stolen fails here, too.",
    ),
    "refresh_token_malformed": Explanation(
        "It is not a refresh token of this server.", "Send the refresh token as it was received."
    ),
    "refresh_token_of_another_client": Explanation(
        "The refresh token (or the token exchanged) was issued to another client.",
        "Find out how one agent came by the token of another.",
        Place.AGENT,
    ),
    "refresh_token_replayed": Explanation(
        "An old refresh token came back.",
        "Find out who had the old token: the whole family has ended, since one of two holders may be a thief. An "
        "agent that runs twice does this, too.",
        Place.STORY,
    ),
    "refresh_token_expired": Explanation(
        "The refresh token was not used for too long, or the authorization is too old.",
        "The person signs in with the agent again.",
    ),
    "authorization_revoked": Explanation(
        "The authorization has ended, or the client has changed since; `detail` says why.",
        "The person signs in with the agent again. The story of the authorization says what ended it.",
        Place.STORY,
    ),
    "subject_inactive": Explanation(
        "The person’s account is deactivated.",
        "Switch the account on again, if the person should have access.",
        Place.PERSON,
    ),
    "subject_denied": Explanation(
        "The rules do not allow it for this person; `detail` has the decision’s reason.",
        "Change a rule or the person’s groups, if the person should have access. The simulator says which rule "
        "misses what.",
        Place.RULES,
    ),
    "resource_malformed": Explanation(
        "`resource` is not a resource indicator.",
        "Send the MCP server’s identifier as an absolute URI without a fragment.",
    ),
    "resource_unknown": Explanation(
        "No such resource is registered and active.",
        "Check the spelling, a final slash and the port, or register the MCP server.",
        SERVERS,
    ),
    "resource_missing": Explanation(
        "The request names no resource, and there is no default.",
        "Send the resource parameter, or make one MCP server the default.",
        SERVERS,
    ),
    "resource_several": Explanation(
        "The request names several resources; a token is for one.", "Ask for one token for each MCP server."
    ),
    "resource_not_granted": Explanation(
        "The grant is for another resource.",
        "Ask for the MCP server that was consented to, or sign in for the other one.",
    ),
    "scope_malformed": Explanation("`scope` is malformed.", "Separate scope names by single blanks."),
    "scope_unknown": Explanation(
        "None of the scopes exists at the resource; `detail` has the requested scopes.",
        "Check the spelling, or add the scope to the MCP server.",
        Place.SERVER,
    ),
    "scope_not_registered": Explanation(
        "They exist, and the client is registered for none of them; `detail` has the requested scopes, or `all` "
        "if the request named none.",
        "Change “scope” on the agent’s page.",
        Place.AGENT,
    ),
    "resource_without_scopes": Explanation(
        "The resource has no scopes, so that nothing can be granted.", "Give the MCP server a scope.", Place.SERVER
    ),
    "scope_not_granted": Explanation(
        "The request asks for more than was granted.", "Ask for no more than was granted, or sign in again for more."
    ),
    "denied_by_policy": Explanation(
        "The rules do not allow it to this client.",
        "Write a rule, if the agent should have access. The simulator says which rule misses what.",
        Place.RULES,
    ),
    "scope_denied_by_policy": Explanation(
        "The rules allow the client none of these scopes, but others of the resource.",
        "Ask for another scope, or change a rule.",
        Place.RULES,
    ),
    "extension_failed": Explanation(
        "An extension on which tokens for this MCP server depend failed; `detail` has its id.",
        "Look at the console’s page Extensions: mend or switch off the extension, or take the server out of its"
        " `resources`.",
    ),
    "approval_pending": Explanation("A rule requires approval first.", "Decide the access request.", REQUESTS),
    "subject_waits": Explanation(
        "As `approval_pending`, for a person; the client is not told that it waits (`pending_answer`).",
        "Decide the access request.",
        REQUESTS,
    ),
    "client_waits": Explanation("The same, for a machine.", "Decide the access request.", REQUESTS),
    "deferral_unknown": Explanation(
        "There is no such deferral code, it is another client’s, or the subject token or assertion that it rests "
        "on cannot be used any more; `detail` says which.",
        "Start the request again.",
    ),
    "deferral_redeemed": Explanation(
        "The deferral code was redeemed already.", "Use the tokens that it was redeemed for, or start again."
    ),
    "deferral_expired": Explanation("The deferral code has expired.", "Start the request again."),
    "deferral_denied": Explanation(
        "A kept request can no longer succeed; `detail` has the reason of its grant, or the person who ended it.",
        "The detail says what stands against it.",
    ),
    "polled_too_soon": Explanation(
        "A client asks for a kept request more often than the interval allows.",
        "Wait as long as the answer’s interval says.",
    ),
    "step_up_required": Explanation(
        "A rule requires a stronger or fresher sign-in; the response says which.",
        "The person signs in again, as strongly and as recently as the rule asks.",
        Place.RULES,
    ),
    "redirect_uri_unregistered": Explanation(
        "The redirect URI is not registered; the person was not sent there.",
        "Add the redirect URI on the agent’s page, or correct it in the agent. It may also be an attempt to get a "
        "code.",
        Place.AGENT,
    ),
    "response_type_unsupported": Explanation("Another response type than `code`.", "Ask for response_type=code."),
    "pkce_missing": Explanation(
        "There is no `code_challenge`.", "Send a code_challenge. Every current library for OAuth does."
    ),
    "pkce_method_unsupported": Explanation(
        "The challenge method is not S256, or was left out.", "Send code_challenge_method=S256."
    ),
    "pkce_malformed": Explanation(
        "The challenge is malformed.", "Send the SHA-256 of the code_verifier in Base64url, 43 characters."
    ),
    "consent_denied": Explanation(
        "The person denied consent, or left nothing ticked that the client could use.", "Nothing is wrong."
    ),
    "consent_not_as_shown": Explanation(
        "A form would have allowed something else than its page showed: the client, its document, the request, "
        "the scopes or a rule had changed. The page was shown again, and nothing was given.",
        "The person reads the page again and decides.",
    ),
    "access_denied_by_policy": Explanation(
        "The rules do not allow it (at the authorization endpoint).",
        "Change a rule or the person’s groups, if the person should have access. The simulator says which rule "
        "misses what.",
        Place.RULES,
    ),
    "invitation_unusable": Explanation(
        "A link of an invitation was forged, used, replaced, taken back or too old; `detail` says which.",
        "Invite the person anew, from the person’s page. Many unknown ones from one address are an attempt to guess.",
        PEOPLE,
    ),
    "page_forbidden": Explanation(
        "The person’s role does not allow it, or they may not do it to their own agent or account.",
        "Give the person a role that reaches this page, if they should have it.",
        Place.PERSON,
    ),
    "form_forged": Explanation(
        "A form came without its CSRF token, or from another site.",
        "The person opens the page again. From another site it is an attack.",
    ),
    "login_required": Explanation(
        "`prompt=none`, and no person is signed in (recently enough).",
        "The application asks again without prompt=none.",
    ),
    "consent_required": Explanation(
        "`prompt=none`, and the person has not consented.", "The application asks again without prompt=none."
    ),
    "authentication_unmet": Explanation(
        "A rule requires a kind of sign-in that this server does not have.",
        "Sign in by an issuer that can do what the rule asks, or change the rule.",
        Place.RULES,
    ),
    "token_of_another_client": Explanation(
        "A client tried to revoke another client’s token.",
        "Find out how one agent came by the token of another.",
        Place.AGENT,
    ),
    "signing_key_missing": Explanation("There is no key to sign with.", "Make a signing key of this algorithm.", KEYS),
    "rate_limited": Explanation(
        "Too many requests, such as open access requests of one client.",
        "The agent waits as long as Retry-After says. The limits stand in the settings.",
    ),
    "unavailable": Explanation(
        "The database did not answer, so nothing was issued; or a refusal could not be recorded, so it was not given.",
        "Look at the health checks and the log of the server.",
        HEALTH,
    ),
    "undo_nothing": Explanation(
        "Ending this access changed no state that an undo could restore, or it is already undone.",
        "Agents ask again, and people consent again.",
    ),
    "undo_done": Explanation("Another person undid it at the same moment.", "Nothing is left to do."),
    "undo_void": Explanation(
        "The target has changed, or its access was ended again, since then.",
        "Decide about the agent or the person anew.",
    ),
}
