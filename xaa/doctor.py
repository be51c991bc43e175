"""Can the issuers that are trusted be reached, do their keys read, and does their clock agree with ours?"""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from authz.operations.doctor import ERROR, Finding, skew
from authz.outbound import OutboundError, Role, fetch
from authz.protocol import jwts, strict_json
from xaa import discovery, trusted_issuers

ABOUT = "trusted issuers"


def issuers() -> Iterator[Finding]:
    for trust in trusted_issuers.everyone().values():
        if trust.enabled:
            yield from _examined(trust)


def _examined(trust: trusted_issuers.Trust) -> Iterator[Finding]:
    try:
        address = trust.jwks_uri or discovery.jwks_uri(trust.issuer)
        answer = fetch(Role.ISSUER_KEYS, address)
        found = jwts.keys_from_jwks(strict_json.read_object(answer.body))
    except discovery.DiscoveryError as error:
        yield _unreachable(trust, f"its metadata cannot be had ({error})")
        return
    except OutboundError as error:
        yield _unreachable(trust, error.cause.sentence)
        return
    except (strict_json.StrictJsonError, jwts.JwtError) as error:
        yield _unreachable(trust, f"its key set is not one to believe ({error})")
        return
    if not found:
        yield _unreachable(trust, "its key set is empty")
    if date := answer.headers.get("date"):
        yield from skew(trust.issuer, _seconds(date), time.time(), about=ABOUT)


def _unreachable(trust: trusted_issuers.Trust, because: str) -> Finding:
    return Finding(
        ERROR,
        ABOUT,
        f"{trust.issuer}: {because}",
        "Nobody's assertion of it can be believed until its keys are had. Look at the address, the way there, and"
        " GATEHOUSE_OUTBOUND_ALLOWED_HOSTS; switch the issuer off if it is gone for good.",
    )


def _seconds(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return time.time()
