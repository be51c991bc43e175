"""What the server thinks of a document, check by check, and why: for client developers and administrators.

Looking changes nothing: no client is made, nothing is remembered.
"""

from dataclasses import dataclass

from authz import outbound
from authz.outbound import OutboundError, Role
from authz.protocol.client_metadata import Check, ClientMetadata, Verdict
from cimd import client_identifier, freshness, metadata_document, policy, trust
from cimd.discovery import BOUNDS


@dataclass(frozen=True, slots=True)
class Inspection:
    """The checks in their order; `metadata` is what would be kept, None if the document is refused."""

    url: str
    checks: tuple[Check, ...]
    metadata: ClientMetadata | None

    @property
    def is_refused(self) -> bool:
        return any(check.verdict is Verdict.REFUSED for check in self.checks)


def inspect(url: str, now: float) -> Inspection:
    """Fetch and judge the document at `url`."""
    if problem := client_identifier.problem(url):
        return Inspection(url, (Check("identifier", Verdict.REFUSED, problem.sentence),), None)
    host = client_identifier.host(url)
    checks = [Check("identifier", Verdict.PASSED, "It is a client identifier URL."), _trust(host)]
    try:
        response = outbound.fetch(Role.CLIENT_METADATA_DOCUMENT, url)
    except OutboundError as error:
        explanation = error.cause.sentence
        if error.status is not None:
            explanation += f" (HTTP status {error.status})"
        return Inspection(url, (*checks, Check("fetch", Verdict.REFUSED, explanation)), None)
    fetched = f"{len(response.body)} bytes from {response.address} in {response.elapsed * 1000:.0f} ms."
    checks.append(Check("fetch", Verdict.PASSED, fetched))
    judgement = metadata_document.judge(url, response.body, policy.terms(host))
    planned = freshness.schedule(response.headers, requested=now, received=now, bounds=BOUNDS)
    caching = f"It serves for {planned.fresh_until - now:.0f} s"
    if planned.serves_until > planned.fresh_until:
        caching += f", and for {planned.serves_until - planned.fresh_until:.0f} s more while its host is down"
    checks += [*judgement.checks, Check("caching", Verdict.PASSED, f"{caching}.")]
    return Inspection(url, tuple(checks), judgement.metadata)


def _trust(host: str) -> Check:
    match trust.standing(host, policy.current().trust):
        case trust.Standing.TRUSTED:
            return Check("trust", Verdict.PASSED, f"{host} may introduce its clients at once.")
        case trust.Standing.BLOCKED:
            return Check("trust", Verdict.REFUSED, f"{host} is blocked.")
        case _:
            return Check("trust", Verdict.NARROWED, f"{host} is not trusted: its clients wait for an approval.")
