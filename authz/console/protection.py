"""Asks an MCP server whether it is protected: for its metadata, without a token, with another server's token, and with
one of its own that opens nothing (docs/decisions/0097).
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from authz import audit, keys, outbound
from authz.audit import queries
from authz.audit.console_events import ConsoleEvent
from authz.clients.identifiers import PROTECTION_CHECK, is_client_id
from authz.conf import conf
from authz.console.widgets import resource_check, snippets
from authz.console.widgets.resource_check import Finding
from authz.database import configuration_cache
from authz.models import ProtectedResource, User
from authz.protocol import strict_json
from authz.protocol.resources import metadata_address
from authz.protocol.timed_ids import new_id

# The audience of the token that every MCP server has to refuse. No server can have this name (RFC 6761 §6.4).
OTHER_AUDIENCE = "https://another-server.invalid/mcp"
LIFETIME = 60
# Of the server's own token, in seconds: enough for one request.
OWN_LIFETIME = 15


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status with its `WWW-Authenticate`; without a status, `problem` says why nothing came back."""

    status: int | None
    challenge: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The latest check of a server: when, by what user name, and the worst that was found."""

    time: datetime
    by: str
    level: str
    problems: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        return self.level != "error"


def check(row: ProtectedResource, scopes: Sequence[str], by: User) -> list[Finding]:
    """What is wrong with a server's protection. It sends up to four requests, so no transaction may be open."""
    metadata = metadata_address(row.identifier)
    configuration_cache.begin()
    found = _metadata(row.identifier, metadata, scopes)
    without = _ask(row.identifier, "")
    # A server that cannot be asked says nothing of another token, either.
    if without.status is None:
        told_twice = found[0].sentence == f"Metadata: {without.problem}"
        found = [*(() if told_twice else found), _unlike_401(without, "without a token", "")]
    else:
        anothers = _ask(row.identifier, _token(row, by, audience=OTHER_AUDIENCE, lifetime=LIFETIME))
        found = [*found, *_without_token(without, metadata), _with_anothers(anothers)]
        if without.status == anothers.status == 401 and may_have_its_own(row):
            own = _ask(row.identifier, _token(row, by, audience=row.identifier, lifetime=OWN_LIFETIME))
            found.append(_with_its_own(own, needs_scopes=bool(scopes)))
    problems = [finding.sentence[:200] for finding in found if finding.level in {"error", "warning"}]
    detail = {"by": by.username, "level": _worst(found), "problems": problems[:10]}
    audit.record(ConsoleEvent.PROTECTION_FOUND, subject=str(by.subject), resource=row.identifier, detail=detail)
    return found


def may_have_its_own(row: ProtectedResource) -> bool:
    """Whether a token for the server itself may be tried. Introspection would call it inactive, since no authorization
    stands behind it; and no client may be meant by it, not even one that was registered under an earlier version.
    """
    return row.is_active and not row.introspection_clients.exists() and not is_client_id(PROTECTION_CHECK)


def latest(identifier: str) -> Check | None:
    """The latest check, as the audit has it; None if there is none, or it is archived."""
    events = queries.of_event(ConsoleEvent.PROTECTION_FOUND.value).filter(resource=identifier)
    event = events.order_by("-id").first()
    if event is None:
        return None
    detail = event.detail
    return Check(event.time, str(detail.get("by", "")), str(detail.get("level", "")), tuple(detail.get("problems", ())))


def _worst(found: Sequence[Finding]) -> str:
    return min((finding.level for finding in found), key=("error", "warning", "good", "unknown").index)


def _metadata(identifier: str, address: str, scopes: Sequence[str]) -> list[Finding]:
    try:
        response = outbound.fetch(outbound.Role.RESOURCE_METADATA, address)
    except outbound.OutboundError as error:
        status = f" (HTTP {error.status})" if error.status else ""
        return [Finding("error", f"Metadata: {_told(error, address)}{status}")]
    try:
        document = strict_json.read_object(response.body)
    except ValueError:
        return [Finding("error", "The document is not strict JSON.")]
    return resource_check.findings(document, identifier=identifier, issuer=conf.issuer, scopes=scopes)


def _ask(identifier: str, token: str) -> Answer:
    """Begin an MCP session as a client does."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        body = json.dumps(snippets.INITIALIZE).encode()
        response = outbound.fetch(outbound.Role.RESOURCE_PROBE, identifier, headers=headers, body=body)
    except outbound.OutboundError as error:
        return Answer(error.status, error.challenge, _told(error, identifier))
    return Answer(response.status)


def _told(error: outbound.OutboundError, url: str) -> str:
    """Why nothing came back; with the setting where this server may not go there."""
    parts = urlsplit(url)
    is_private = error.cause is outbound.Cause.ADDRESS_FORBIDDEN or (
        error.cause is outbound.Cause.URL and parts.scheme == "http"
    )
    if not is_private:
        return error.cause.sentence
    pair = f"{parts.netloc}{'' if parts.port else ':443' if parts.scheme == 'https' else ':80'}"
    return (
        f"This server may not ask {pair}, which is not on the public Internet. To let it, start it with"
        f" GATEHOUSE_OUTBOUND_ALLOWED_HOSTS={pair}=resources."
    )


def _without_token(answer: Answer, metadata: str) -> list[Finding]:
    # > protected resource metadata URL … resource_metadata parameter … in the WWW-Authenticate (RFC 9728 §5.1)
    if answer.status == 401 and metadata in answer.challenge:
        return [Finding("good", "Without a token it answers 401, and says where its metadata is.")]
    if answer.status == 401:
        says = f'Without a token it answers 401, but WWW-Authenticate has no resource_metadata="{metadata}".'
        return [Finding("warning", f"{says} Many clients then cannot find this server.")]
    return [_unlike_401(answer, "without a token", "It answers anybody: it isn't protected.")]


def _with_anothers(answer: Answer) -> Finding:
    # > MCP servers MUST validate that access tokens were issued specifically for them (MCP, Access Token Usage)
    if answer.status == 401:
        return Finding("good", "With a token for another server it answers 401.")
    says = "It takes tokens of other servers: it doesn't check the audience (aud)."
    return _unlike_401(answer, "with a token for another server", says)


def _unlike_401(answer: Answer, how: str, danger: str) -> Finding:
    if answer.status is None:
        return Finding("error", f"Asked {how}: {answer.problem}")
    if 200 <= answer.status < 300:
        return Finding("error", f"Asked {how}, it answers {answer.status}. {danger}")
    return Finding("error", f"Asked {how}, it answers {answer.status}. It must be 401.")


def _with_its_own(answer: Answer, *, needs_scopes: bool) -> Finding:
    """Whether it takes tokens of this server at all. One that doesn't is protected, and of no use to agents."""
    if answer.status is not None and 200 <= answer.status < 300:
        return Finding("good", "With a token for it, without scopes, it begins a session.")
    # > insufficient_scope … The resource server SHOULD respond with the HTTP 403 (RFC 6750 §3.1)
    if answer.status == 403 and "insufficient_scope" in answer.challenge:
        return Finding("good", "It takes a token for it, and asks for the scopes that this one does not have.")
    says = "With a token for it, without scopes, it answers"
    if answer.status == 401 and needs_scopes:
        # As fastmcp does, instead of 403, where it requires a scope.
        return Finding("unknown", f"{says} 401, as for lack of a scope. Try a token of an agent, as shown below.")
    if answer.status == 401:
        return Finding("warning", f"{says} 401. Look at its issuer, keys (jwks_uri), audience and algorithm.")
    told = answer.problem if answer.status is None else f"{says} {answer.status}, which says neither yes nor no."
    return Finding("warning", told)


def _token(row: ProtectedResource, by: User, *, audience: str, lifetime: int) -> str:
    """A real token of this server that opens nothing: of no person or client, without scopes. Recorded like every
    token, before it is signed.
    """
    now = time.time()
    jti = new_id(now)
    claims = {
        "iss": conf.issuer,
        "aud": audience,
        "sub": PROTECTION_CHECK,
        "client_id": PROTECTION_CHECK,
        "iat": int(now),
        "exp": int(now) + lifetime,
        "jti": jti,
    }
    detail = {"by": by.username, "jti": jti, "aud": audience, "lifetime": lifetime}
    audit.record(ConsoleEvent.PROTECTION_CHECKED, subject=str(by.subject), resource=row.identifier, detail=detail)
    return keys.sign(claims, typ="at+jwt", alg=row.access_token_signing_alg, now=now)
