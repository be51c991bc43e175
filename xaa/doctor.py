"""Can the issuers that are trusted be reached, do their keys read, and does their clock agree with ours?"""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from authz.operations.doctor import ERROR, WARNING, Finding, skew
from authz.outbound import OutboundError, Role, fetch
from authz.outbound.remote_documents import DocumentUnavailableError
from authz.protocol import jwks, strict_json
from xaa import trusted_issuers
from xaa.trusted_issuers import discovery

ABOUT = "trusted issuers"


def issuers() -> Iterator[Finding]:
    for trust in trusted_issuers.cached().values():
        if trust.enabled:
            yield from _examined(trust)


def _examined(trust: trusted_issuers.Trust) -> Iterator[Finding]:
    if trust.passed_over:
        yield _incomplete(trust, "jwks", trust.passed_over)
    if trust.keys and not trust.jwks_uri:
        return
    try:
        address = trust.jwks_uri or discovery.jwks_uri(trust.issuer)
        answer = fetch(Role.ISSUER_KEYS, address)
        found = jwks.read(strict_json.read_object(answer.body))
    except DocumentUnavailableError as error:
        yield _unreachable(trust, f"its metadata cannot be had ({error})")
        return
    except OutboundError as error:
        yield _unreachable(trust, error.cause.sentence)
        return
    except (strict_json.StrictJsonError, jwks.KeySetError) as error:
        yield _unreachable(trust, f"its key set is not one to believe ({error})")
        return
    passed_over = tuple(str(one) for one in found.passed_over)
    if not found.keys:
        yield _unreachable(trust, f"its key set has no usable key ({'; '.join(passed_over) or 'it is empty'})")
    elif passed_over:
        yield _incomplete(trust, address, passed_over)
    if date := answer.headers.get("date"):
        yield from skew(trust.issuer, _seconds(date), time.time(), about=ABOUT)


def _incomplete(trust: trusted_issuers.Trust, where: str, passed_over: tuple[str, ...]) -> Finding:
    return Finding(
        WARNING,
        ABOUT,
        f"{trust.issuer}: of its keys ({where}) some are passed over: {'; '.join(passed_over)}",
        "The others count. What a key that is passed over signs is not believed; where the issuer signs with it, it has"
        " to publish one of a kind that this server verifies.",
    )


def _unreachable(trust: trusted_issuers.Trust, because: str) -> Finding:
    return Finding(
        ERROR,
        ABOUT,
        f"{trust.issuer}: {because}",
        "No assertion of it can be accepted until its keys are had. Look at the address, the way there, and"
        " GATEHOUSE_OUTBOUND_ALLOWED_HOSTS; switch the issuer off if it is gone for good.",
    )


def _seconds(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return time.time()
