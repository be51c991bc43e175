"""What the server thinks of a document, check by check, and why: for client developers and administrators.

Looking changes nothing: no client is made, nothing is remembered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authz import clients, outbound
from authz.models import Client
from authz.outbound import OutboundError, Role
from authz.protocol import jwks, strict_json
from authz.protocol.client_metadata import Check, ClientMetadata, Verdict
from authz.protocol.document_lifetimes import schedule
from cimd import client_identifier, logos, metadata_document, policy, trust
from cimd.client_identifier import IdentifierError
from cimd.settlement import BOUNDS

_NO_KEYS = "Nothing that the client signs is believed"


@dataclass(frozen=True, slots=True)
class Inspection:
    """The checks in their order; `metadata` is what would be kept, None if the document is refused."""

    url: str
    checks: tuple[Check, ...]
    metadata: ClientMetadata | None
    hosts_left_out: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        return any(check.verdict is Verdict.REFUSED for check in self.checks)

    @property
    def outcome(self) -> str:
        """What follows from all of it, in a sentence."""
        if self.is_refused:
            return "The document is refused."
        if any(check.name == "trust" and check.verdict is Verdict.NARROWED for check in self.checks):
            return "The document is accepted; its client waits for an approval."
        return "The document is accepted."


def inspect(url: str, now: float) -> Inspection:
    """Fetch and judge the document at `url`, and what it leads to."""
    try:
        host = client_identifier.parse(url).host
    except IdentifierError as error:
        return Inspection(url, (Check("identifier", Verdict.REFUSED, error.problem.sentence),), None)
    registered = clients.registered(url)
    if registered is not None and registered.registration_source != Client.RegistrationSource.CIMD:
        explanation = "A client is registered here under this very name: its document is never asked for."
        return Inspection(url, (Check("identifier", Verdict.REFUSED, explanation),), None)
    checks = [Check("identifier", Verdict.PASSED, "It is a client identifier URL."), _trust(host)]
    if checks[-1].verdict is Verdict.REFUSED:
        return Inspection(url, tuple(checks), None)
    try:
        response = outbound.fetch(Role.CLIENT_METADATA_DOCUMENT, url)
    except OutboundError as error:
        return Inspection(url, (*checks, Check("fetch", Verdict.REFUSED, _why(error))), None)
    fetched = f"{len(response.body)} bytes from {response.address} in {response.elapsed * 1000:.0f} ms."
    checks.append(Check("fetch", Verdict.PASSED, fetched))
    judgement = metadata_document.validate(url, response.body, policy.terms(host))
    checks += judgement.checks
    if judgement.metadata is not None:
        checks += [*_inline_keys(judgement.metadata.jwks), *_keys(judgement.metadata.jwks_uri)]
        checks += _logo(judgement.metadata.logo_uri)
    planned = schedule(response.headers, requested=now, received=now, bounds=BOUNDS)
    caching = f"It serves for {planned.fresh_until - now:.0f} s"
    if planned.serves_until > planned.fresh_until:
        caching += f", and for {planned.serves_until - planned.fresh_until:.0f} s more while its host is down"
    checks.append(Check("caching", Verdict.PASSED, f"{caching}."))
    return Inspection(url, tuple(checks), judgement.metadata, judgement.hosts_left_out)


def _trust(host: str) -> Check:
    match trust.trust_status(host, policy.cached().trust):
        case trust.TrustStatus.TRUSTED:
            return Check("trust", Verdict.PASSED, f"{host} may introduce its clients at once.")
        case trust.TrustStatus.BLOCKED:
            return Check("trust", Verdict.REFUSED, f"{host} is blocked: its documents are never fetched.")
        case _:
            return Check("trust", Verdict.NARROWED, f"{host} is not trusted: its clients wait for an approval.")


def _keys(jwks_uri: str) -> list[Check]:
    """Whether there are keys where the document says. They may change at any time, so nothing is refused for them."""
    if not jwks_uri:
        return []
    try:
        found = jwks.read(strict_json.read_object(outbound.fetch(Role.CLIENT_KEYS, jwks_uri).body))
    except OutboundError as error:
        return [Check("keys", Verdict.NARROWED, f"{_NO_KEYS}. {_why(error)}")]
    except strict_json.StrictJsonError as error:
        return [Check("keys", Verdict.NARROWED, f"{_NO_KEYS}. {error.sentence}")]
    except jwks.KeySetError as error:
        return [Check("keys", Verdict.NARROWED, f"{_NO_KEYS}: it is not a set of sound public keys: {error}.")]
    return _told(found)


def _inline_keys(document: Mapping[str, Any] | None) -> list[Check]:
    """The keys in the document itself, which was judged already."""
    return _told(jwks.read(document)) if document else []


def _told(found: jwks.KeySet) -> list[Check]:
    """What counts, and each key that does not, with why."""
    passed_over = "; ".join(str(one) for one in found.passed_over)
    if not found.keys:
        none = f"{_NO_KEYS}: there is no key that this server can verify with"
        return [Check("keys", Verdict.NARROWED, f"{none} ({passed_over})." if passed_over else f"{none}.")]
    names = ", ".join(f"{key.kty} {key.kid or 'without kid'}"[:80] for key in found.keys)
    if passed_over:
        return [Check("keys", Verdict.NARROWED, f"{names}; passed over {passed_over}.")]
    return [Check("keys", Verdict.PASSED, names)]


def _logo(logo_uri: str) -> list[Check]:
    """Whether the picture could be shown; the document is as good without."""
    if not logo_uri:
        return []
    try:
        logos.redrawn(outbound.fetch(Role.CLIENT_LOGO, logo_uri).body)
    except OutboundError as error:
        return [Check("logo", Verdict.NARROWED, f"It is left out. {_why(error)}")]
    except logos.UnusableImageError:
        kinds = f"It is left out: it is no PNG, JPEG, WebP or GIF of at most {logos.MAX_SIDE} pixels a side."
        return [Check("logo", Verdict.NARROWED, kinds)]
    return [Check("logo", Verdict.PASSED, "It is drawn anew, and shown from this server's own origin.")]


def _why(error: OutboundError) -> str:
    facts = [f"HTTP status {error.status}" if error.status is not None else "", error.detail]
    told = ", ".join(fact for fact in facts if fact)
    return f"{error.cause.sentence[:-1]} ({told})." if told else error.cause.sentence
