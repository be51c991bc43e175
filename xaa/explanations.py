"""What each reason of cross-app access means, and what to do about it (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.protocol.explanations import Explanation, ListPage, Place

ISSUERS = ListPage("Trusted issuers", "admin:xaa_trustedissuer_changelist")
TARGETS = ListPage("Resource authorization servers", "admin:xaa_resourceauthorizationserver_changelist")
SERVERS = ListPage("MCP servers", "admin:authz_protectedresource_changelist")
PEOPLE = ListPage("People", "admin:authz_user_changelist")
HEALTH = ListPage("Health", "admin:index")
RULES = ListPage("Rules", "admin:authz_rule_changelist")
AUTHORIZATIONS = ListPage("Authorizations", "admin:authz_authorization_changelist")

DELEGATION: dict[str, Explanation] = {
    "actor_token_type": Explanation(
        "An actor token is of an unknown type, or only its type is there.",
        "Send the workload’s JWT, with urn:ietf:params:oauth:token-type:jwt.",
    ),
    "exchange_token": Explanation(
        "The token that should be exchanged is not an access token of this server, or has expired.",
        "Exchange the token that the server was called with, while it lives.",
    ),
    "exchange_not_audience": Explanation(
        "The token is of a server that this client is not.",
        "Name the client among the exchange clients of the server whose token it is.",
        SERVERS,
    ),
    "exchange_not_let": Explanation(
        "The token’s may_act names another client.",
        "Let the client that the server names exchange, or name this one.",
        SERVERS,
    ),
    "exchange_ended": Explanation(
        "The token’s authorization, or one that it rests on, has ended, or rules no longer allow it.",
        "See what became of it in the authorization’s history.",
        AUTHORIZATIONS,
    ),
    "exchange_act": Explanation(
        "The token’s act does not name the agents that it came through.",
        "Find out where this token comes from: this server did not issue it so.",
    ),
    "exchange_hops": Explanation(
        "The token was passed on as often as is allowed.",
        "Shorten the way, or raise GATEHOUSE_DELEGATION_HOPS.",
    ),
    "exchange_without_person": Explanation(
        "An ID-JAG was asked for, and the chain began with an agent that acts for itself.",
        "Exchange only tokens of people for ID-JAGs.",
    ),
    "exchange_target": Explanation(
        "The request names no resource, or several.", "Name the one resource that is called next."
    ),
    "exchange_circle": Explanation(
        "The agent, or the server that it asks for, is part of the chain already.",
        "Let the server use the token that it has, instead of going round.",
    ),
    "exchange_not_mapped": Explanation(
        "The server’s scope mappings do not name this resource, or not for a scope of this token.",
        "Add the mapping to the server that passes the call on.",
        SERVERS,
    ),
    "exchange_denied": Explanation(
        "No rule allows this exchange: a rule has to name each agent of the path in `through`.",
        "Add such a rule, if the server may pass calls on.",
        RULES,
    ),
}

EXPLANATIONS: Mapping[str, Explanation] = DELEGATION | {
    "assertion_malformed": Explanation(
        "The assertion is not a well-formed JWT, or too large.", "Send the assertion as the issuer wrote it."
    ),
    "assertion_header": Explanation(
        "Its header has a parameter that is refused (`crit`, `jwk`, `b64`, `zip`).",
        "The issuer leaves this parameter out of the header.",
    ),
    "assertion_typ": Explanation(
        "Its `typ` is another kind of token’s.",
        "Send the kind of token that the grant asks for: an ID-JAG, not an ID token or an access token.",
    ),
    "assertion_algorithm": Explanation(
        "Its algorithm is not accepted.", "The issuer signs with an algorithm that the metadata lists."
    ),
    "issuer_missing": Explanation("It names no issuer.", "The issuer writes iss into the assertion."),
    "issuer_untrusted": Explanation(
        "Its issuer is not a trusted one.",
        "Add the issuer to the trusted issuers, letter by letter as it writes itself.",
        ISSUERS,
    ),
    "issuer_disabled": Explanation("Its issuer is disabled.", "Switch the issuer on again.", ISSUERS),
    "issuer_not_for_this": Explanation(
        "Its issuer is not trusted for this kind of assertion.",
        "Add this use to what the issuer is trusted for.",
        ISSUERS,
    ),
    "issuer_is_ourselves": Explanation(
        "An ID-JAG of this server was presented to it.", "Send the ID-JAG to the authorization server that it is for."
    ),
    "issuer_keys_on_their_way": Explanation(
        "The issuer’s keys are being fetched, and the maximum number of requests already waits for them.",
        "Wait. The agent tries again by itself.",
    ),
    "issuer_keys_unavailable": Explanation(
        (
            "The issuer publishes no set of public keys, or none that can be used, or it is gone, or at an address to "
            "which this server does not connect; `detail` has the cause, and each key that was ignored."
        ),
        "Correct the issuer’s jwks_uri, or write its keys into the configuration.",
        ISSUERS,
    ),
    "issuer_keys_unreachable": Explanation(
        (
            "The issuer’s host does not answer for its metadata or keys; `detail` has the cause. No source is counted "
            "as noisy for it."
        ),
        "Wait, or ask the issuer’s operator about the host.",
        HEALTH,
    ),
    "assertion_key_unknown": Explanation(
        "None of the issuer’s keys is the one it names.",
        "Wait for the issuer’s new keys, or correct its jwks_uri.",
        ISSUERS,
    ),
    "assertion_signature": Explanation(
        "Its signature is not valid.", "Find out who made the assertion: it may be forged.", ISSUERS
    ),
    "assertion_audience": Explanation(
        "It is not for us alone, or not for this client.",
        "The issuer writes this server’s issuer identifier as the only audience, or configure the one that it writes.",
        ISSUERS,
    ),
    "assertion_client_missing": Explanation(
        "The ID-JAG has no `client_id`.", "The issuer writes client_id into the ID-JAG."
    ),
    "assertion_of_another_client": Explanation(
        "It was issued to another client.",
        "Correct the client ids of the issuer, or find out how one agent came by the assertion of another.",
        ISSUERS,
    ),
    "assertion_time": Explanation("A time in it is missing or malformed.", "The issuer writes iat and exp as numbers."),
    "assertion_expired": Explanation("It has expired.", "Ask the issuer for a new assertion, and set the clocks."),
    "assertion_not_yet_valid": Explanation("Its times lie in the future.", "Set the clock of the issuer’s machine."),
    "assertion_lifetime": Explanation(
        "It lives longer than such an assertion may.",
        "Raise “max_lifetime” of the issuer, or let it issue shorter ones.",
        ISSUERS,
    ),
    "assertion_subject": Explanation("It has no usable `sub`.", "The issuer writes a sub."),
    "assertion_jti": Explanation("It has no usable `jti`.", "The issuer gives each assertion a jti of its own."),
    "assertion_claim": Explanation(
        "Another claim is malformed; `detail` names it.", "The issuer corrects the claim that the detail names."
    ),
    "assertion_key_bound": Explanation(
        "It is bound to a key (`cnf`), or its token has to be, and the request does not show that key.",
        "The client sends a DPoP proof with the key that it showed to the issuer. Other assertions than ID-JAGs cannot"
        " be bound: ask the issuer for one without cnf.",
    ),
    "assertion_tenant": Explanation(
        "It is of a tenant that is not trusted, or for another tenant than ours; `detail` has its `aud_tenant`.",
        "Add the tenant to the issuer if it should be trusted, or enter what the issuer writes as “aud_tenant”.",
        ISSUERS,
    ),
    "assertion_replayed": Explanation("It was used before.", "Ask the issuer for a new assertion for each token."),
    "client_is_public": Explanation(
        "A client that does not authenticate used an identity assertion.",
        "Register a key or a secret for the agent, or name the host of its document for this exchange.",
        Place.AGENT,
    ),
    "client_is_not_a_workload": Explanation(
        "The workload is not this client.", "Bind the workload to this agent at its issuer.", ISSUERS
    ),
    "client_unknown_to_target": Explanation(
        "The client has no id at the target.",
        "Write the agent’s client id there into “client_ids” of the resource authorization server.",
        TARGETS,
    ),
    "authorization_details": Explanation(
        "`authorization_details` were sent, which are not supported.",
        "Leave authorization_details out, and ask for scopes.",
    ),
    "assertion_resource_unknown": Explanation(
        "None of the resources that the ID-JAG names is here.",
        "Register the MCP server that the assertion names, or correct it at the issuer.",
        SERVERS,
    ),
    "client_is_public_to_issuer": Explanation(
        "A client without a secret, whose host this issuer’s `public_clients` don’t name.",
        "Name the host of the agent’s document in “public_clients” of the issuer.",
        ISSUERS,
    ),
    "requested_token_type": Explanation(
        "Another token than an ID-JAG was asked for.", "Ask for urn:ietf:params:oauth:token-type:id-jag."
    ),
    "subject_token_type": Explanation(
        "The subject token is neither an ID token nor a refresh token.",
        "Send an ID token or a refresh token, and say which.",
    ),
    "actor_token": Explanation(
        "An actor token was sent beside a sign-in, which has no use for one.",
        "Leave actor_token out, or exchange an access token.",
    ),
    "audience_several": Explanation("Several audiences were named.", "Ask for one ID-JAG for each audience."),
    "audience_unknown": Explanation(
        "The audience is not a configured resource authorization server; `detail` has it.",
        "Add the resource authorization server, or correct the audience in the agent’s configuration.",
        TARGETS,
    ),
    "target_unknown": Explanation(
        "The resource is not configured behind the audience; `detail` has it, or an audience without any.",
        "Add the resource to the resource authorization server, or correct it in the agent’s configuration.",
        TARGETS,
    ),
    "subject_not_linked": Explanation(
        "No person here is this subject, and the issuer may not make people.",
        "Let the person sign in by the issuer once, or let the issuer make people.",
        ISSUERS,
    ),
    "subject_ambiguous": Explanation(
        "Several people have the address.", "Give each person an address of their own.", PEOPLE
    ),
    "subject_address_unused": Explanation(
        (
            "A person has the address, and it could not be used; `detail` says why: `unverified` or `foreign_domain`. "
            "No second person is made."
        ),
        "Trust the issuer’s addresses for this domain, or have the issuer verify them.",
        ISSUERS,
    ),
    "subject_linked_otherwise": Explanation(
        "The person is linked to another subject of the same issuer.",
        "Remove the old link on the person’s page, if the issuer gave the person a new subject.",
        Place.PERSON,
    ),
    "subject_signed_out": Explanation(
        "The assertion was issued before its issuer ended the person's sessions, as a security event told.",
        "Nothing. The person signs in again at the issuer, and what it issues then counts.",
        Place.PERSON,
    ),
    "workload_assertion_used": Explanation(
        (
            "A workload’s assertion was used before, and neither its issuer nor its workload nor its client has "
            "`reuse` (`reuse_assertions`). The sender is told so."
        ),
        "Switch on “reuse” for the issuer or the workload, if its platform writes one token for an hour.",
        ISSUERS,
    ),
    "workload_unknown": Explanation(
        (
            "No workload of the issuer matches the claims (`detail` has the nearest, and where they differ), or "
            "several clients do."
        ),
        "Add or correct a workload of the issuer. The detail has the nearest one and where it differs.",
        ISSUERS,
    ),
    "subject_token_without_sign_in": Explanation(
        "The refresh token stands for no sign-in (`openid` was not granted).",
        "The application asks for the scope openid.",
    ),
    "session_ended": Explanation("The person has signed out.", "The person signs in again."),
    "lineage_ended": Explanation(
        "The authorization or sign-in of the subject token has ended.", "The person signs in with the agent again."
    ),
    "sign_in_unavailable": Explanation(
        "Signing in by an issuer: its metadata or its answer cannot be used.",
        "Correct the issuer’s address and client, and test the sign-in on its page.",
        ISSUERS,
    ),
    "sign_in_unreachable": Explanation(
        (
            "Signing in by an issuer: its host does not answer. The page is a 503, and no source is counted as noisy "
            "for it."
        ),
        "Wait, or ask the issuer’s operator about the host.",
        HEALTH,
    ),
    "sign_in_of_another_issuer": Explanation(
        "The answer that came back from signing in names another issuer (RFC 9207).",
        "Find out who answered: this is how a mix-up attack looks.",
        ISSUERS,
    ),
    "sign_in_nonce": Explanation(
        "The issuer’s ID token has another `nonce`.", "The person signs in again. Many of them are an attack."
    ),
    "sign_in_logged_out": Explanation(
        "The issuer said that this session of it is over while the person came back from there.",
        "The person signs in again.",
    ),
    "logout_of_no_one": Explanation(
        "A logout token of an issuer names neither a person (sub) nor a session (sid).",
        "Report it to the issuer’s operator.",
        ISSUERS,
    ),
    "logout_event": Explanation(
        "A token that is no logout token, such as an ID token, was sent to the back-channel logout.",
        "Report it to the issuer’s operator. Of another sender it is an attack.",
        ISSUERS,
    ),
    "logout_nonce": Explanation(
        "A logout token has a `nonce`, which none may have: it could be taken for an ID token.",
        "Report it to the issuer’s operator.",
        ISSUERS,
    ),
    "sign_in_not_fresh": Explanation(
        "A fresh sign-in was requested, and the issuer does not confirm one.",
        "Have the issuer send auth_time for prompt=login and max_age.",
        ISSUERS,
    ),
}
