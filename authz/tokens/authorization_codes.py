"""Authorization codes: issued once, kept as digests (invariant 9)."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from authz import audit, decisions
from authz.decisions.question import ARRIVED
from authz.models import AuthorizationCode, Client, ProtectedResource, User
from authz.models.client import digest
from authz.policy import Decision
from authz.protocol.authorization_request import AuthorizationRequest
from authz.protocol.scopes import join
from authz.sign_in.session import BrowserSignIn

# > A maximum authorization code lifetime of 10 minutes is RECOMMENDED. (RFC 6749 §4.1.2) Clients redeem at once.
LIFETIME = timedelta(seconds=60)
# In the lineage of a code and of what it leads to: what the person left out of what was asked for.
UNTICKED = "unticked"


def issue(
    *,
    request: AuthorizationRequest,
    client: Client,
    user: User,
    resource: ProtectedResource | None,
    decision: Decision,
    scopes: Sequence[str],
    sign_in: BrowserSignIn,
    identity_scopes: Sequence[str],
    declined: Sequence[str],
    arrived: float,
    now: float,
) -> str:
    """A code for what was decided and consented to. Call it inside `unit_of_work()`.

    `scopes` are those of the decision that the person left ticked, `declined` those that they did not. `arrived`: when
    the request did.
    """
    code = secrets.token_urlsafe(32)
    moment = datetime.fromtimestamp(now, UTC)
    granted = scopes if resource else ()
    AuthorizationCode.objects.create(
        digest=digest(code),
        client=client,
        user=user,
        resource=resource,
        redirect_uri=request.redirect_uri,
        code_challenge=request.code_challenge,
        scopes=list(granted),
        identity_scopes=list(identity_scopes),
        nonce=request.nonce,
        auth_time=sign_in.auth_time,
        acr=sign_in.acr,
        amr=list(sign_in.amr),
        session_digest=sign_in.session_digest,
        client_digest=client.consent_digest,
        dpop_jkt=request.dpop_jkt,
        lineage=sign_in.lineage
        | {ARRIVED: arrived}
        | ({UNTICKED: list(declined)} if declined else {})
        | ({"document": client.metadata_digest} if client.metadata_digest else {}),
        created=moment,
        expires=moment + LIFETIME,
    )
    audit.record(
        audit.Event.CODE_ISSUED,
        client_id=client.client_id,
        subject=str(user.subject),
        resource=resource.identifier if resource else "",
        detail={
            "scope": join([*granted, *identity_scopes]),
            **({UNTICKED: join(declined)} if declined else {}),
            "redirect_uri": request.redirect_uri,
            **decisions.traced(decision),
            **({"document": client.metadata_digest} if client.metadata_digest else {}),
        },
    )
    return code
