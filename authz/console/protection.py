"""Asks an MCP server whether it is protected: for its metadata, without a token, and with another server's token."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from authz import audit, keys, outbound
from authz.audit import queries
from authz.audit.console_events import ConsoleEvent
from authz.conf import conf
from authz.console.widgets import resource_check
from authz.console.widgets.resource_check import Finding
from authz.database import configuration_cache
from authz.models import ProtectedResource, User
from authz.protocol import strict_json
from authz.protocol.resources import metadata_address
from authz.protocol.timed_ids import RANDOM_BYTES, timed_id

# The audience of the token that every MCP server has to refuse. No server can have this name (RFC 6761 §6.4).
OTHER_AUDIENCE = "https://another-server.invalid/mcp"
LIFETIME = 60
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "Gatehouse", "version": "1"},
    },
}


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
    """What is wrong with a server's protection. It sends three requests, so no transaction may be open."""
    metadata = metadata_address(row.identifier)
    configuration_cache.begin()
    found = _metadata(row.identifier, metadata, scopes)
    without = _ask(row.identifier, "")
    # A server that cannot be asked says nothing of another token, either.
    if without.status is None:
        told_twice = found[0].sentence == f"Metadata: {without.problem}"
        found = [*(() if told_twice else found), _unlike_401(without, "without a token", "")]
    else:
        anothers = _ask(row.identifier, _anothers_token(row, by))
        found = [*found, *_without_token(without, metadata), _with_anothers(anothers)]
    problems = [finding.sentence[:200] for finding in found if finding.level != "good"]
    detail = {"by": by.username, "level": _worst(found), "problems": problems[:10]}
    audit.record(ConsoleEvent.PROTECTION_FOUND, subject=str(by.subject), resource=row.identifier, detail=detail)
    return found


def latest(identifier: str) -> Check | None:
    """The latest check, as the audit has it; None if there is none, or it is archived."""
    events = queries.of_event(ConsoleEvent.PROTECTION_FOUND.value).filter(resource=identifier)
    event = events.order_by("-id").first()
    if event is None:
        return None
    detail = event.detail
    return Check(event.time, str(detail.get("by", "")), str(detail.get("level", "")), tuple(detail.get("problems", ())))


def _worst(found: Sequence[Finding]) -> str:
    return min((finding.level for finding in found), key=("error", "warning", "good").index)


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
        body = json.dumps(INITIALIZE).encode()
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


def _anothers_token(row: ProtectedResource, by: User) -> str:
    """A real token of this server, for an audience that no server has. Recorded like every token."""
    now = time.time()
    jti = timed_id(now, secrets.token_bytes(RANDOM_BYTES))
    claims = {
        "iss": conf.issuer,
        "aud": OTHER_AUDIENCE,
        "sub": "protection-check",
        "client_id": "protection-check",
        "iat": int(now),
        "exp": int(now) + LIFETIME,
        "jti": jti,
    }
    detail = {"by": by.username, "jti": jti, "aud": OTHER_AUDIENCE}
    audit.record(ConsoleEvent.PROTECTION_CHECKED, subject=str(by.subject), resource=row.identifier, detail=detail)
    return keys.sign(claims, typ="at+jwt", alg=row.access_token_signing_alg, now=now)
