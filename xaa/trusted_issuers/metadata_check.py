"""What an issuer publishes of itself, fetched through `authz.outbound` and judged in words, before it is relied on."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from authz.outbound import OutboundError, Response, Role, fetch
from authz.protocol import jwks, jwts, strict_json
from authz.protocol.display_names import visible
from xaa.trusted_issuers import discovery
from xaa.workloads import spiffe

GOOD, WARNING, ERROR = "good", "warning", "error"
MAX_SKEW = 60  # seconds that the issuer's clock may differ before it is said


@dataclass(frozen=True, slots=True)
class Judged:
    """`level` is good, warning or error."""

    level: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """`calls_itself`: the identifier that the document names, where it is another one; "" otherwise."""

    findings: tuple[Judged, ...]
    calls_itself: str = ""

    @property
    def is_usable(self) -> bool:
        return not any(found.level == ERROR for found in self.findings)


def check(issuer: str, *, signs_in: bool, jwks_uri: str = "", has_keys: bool = False) -> Report:
    """Ask the issuer. `jwks_uri` and `has_keys`: where its keys are known without its metadata."""
    if spiffe.is_spiffe(issuer) or ((jwks_uri or has_keys) and not signs_in):
        return Report(tuple(_keys_at(jwks_uri)) if jwks_uri else (Judged(GOOD, "Its keys are in the configuration."),))
    response, problem = _ask(issuer)
    if response is None:
        return Report((Judged(ERROR, problem),))
    try:
        metadata = strict_json.read_object(response.body)
    except strict_json.StrictJsonError:
        return Report((Judged(ERROR, "Its metadata is not strict JSON."),))
    named = metadata.get("issuer")
    if named != issuer:
        other = visible(named)[:512] if isinstance(named, str) else ""
        told = f"calls itself {other}" if other else "names no issuer"
        sentence = f"Its metadata {told}, and not {issuer}. The two have to be the same, letter by letter."
        return Report((Judged(ERROR, sentence),), other if other == named else "")
    found = [Judged(GOOD, "Its metadata is there, and names this very issuer."), *_clock(response)]
    address = jwks_uri or metadata.get("jwks_uri")
    found += (
        _keys_at(address) if isinstance(address, str) and address else [Judged(ERROR, "It names no keys (jwks_uri).")]
    )
    return Report((*found, *(judge(metadata, issuer) if signs_in else ())))


def judge(metadata: Mapping[str, Any], issuer: str) -> Iterator[Judged]:
    """Whether people can sign in by it, as far as its metadata says. Pure."""
    for name in ("authorization_endpoint", "token_endpoint"):
        address = metadata.get(name)
        if not isinstance(address, str) or not address.startswith(("https://", f"{urlsplit(issuer).scheme}://")):
            yield Judged(ERROR, f"It has no usable {name}, so people can't sign in.")
    if "code" not in _named(metadata, "response_types_supported", ("code",)):
        yield Judged(ERROR, "It doesn't offer the code flow (response_types_supported).")
    signed = _named(metadata, "id_token_signing_alg_values_supported", ("RS256",))
    if not set(signed) & set(jwts.ALGORITHMS):
        yield Judged(ERROR, f"It signs ID tokens with {', '.join(signed)} alone, which this server doesn't verify.")
    methods = _named(metadata, "token_endpoint_auth_methods_supported", ("client_secret_basic",))
    if not set(methods) & {"client_secret_basic", "client_secret_post", "none"}:
        yield Judged(ERROR, f"It takes no client secret: only {', '.join(methods)}.")
    if "S256" not in _named(metadata, "code_challenge_methods_supported", ()):
        yield Judged(WARNING, "It doesn't say that it checks PKCE. The code is still bound by the nonce.")
    if "openid" not in _named(metadata, "scopes_supported", ("openid",)):
        yield Judged(WARNING, "It doesn't list the scope openid.")
    claims = _named(metadata, "claims_supported", ("email", "email_verified"))
    if "email" in claims and "email_verified" not in claims:
        yield Judged(
            WARNING,
            "It doesn't list email_verified. Addresses then count only if you name the domains that it may speak for.",
        )


def _named(metadata: Mapping[str, Any], name: str, usual: Sequence[str]) -> list[str]:
    given = metadata.get(name)
    if not isinstance(given, list):
        return [*usual]
    return [visible(str(one))[:64] for one in given[:100]]


def _ask(issuer: str) -> tuple[Response | None, str]:
    """The metadata from the first address that has it, or why there is none."""
    problem = ""
    for address in discovery.metadata_addresses(issuer):
        try:
            return fetch(Role.ISSUER_METADATA, address), ""
        except OutboundError as error:
            status = f" (HTTP status {error.status})" if error.status else ""
            problem = problem or f"Asked for {address}: {error.cause.sentence[:-1]}{status}."
    return None, problem


def _clock(response: Response) -> Iterator[Judged]:
    try:
        there = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return
    apart = there - time.time()
    if abs(apart) > MAX_SKEW:
        word = "ahead of" if apart > 0 else "behind"
        yield Judged(WARNING, f"Its clock is {abs(apart):.0f} s {word} this server's, so its tokens may be refused.")


def _keys_at(address: str) -> Iterator[Judged]:
    try:
        found = jwks.read(strict_json.read_object(fetch(Role.ISSUER_KEYS, address).body))
    except OutboundError as error:
        yield Judged(ERROR, f"Its keys at {visible(address)[:200]}: {error.cause.sentence}")
        return
    except (strict_json.StrictJsonError, jwks.KeySetError) as error:
        yield Judged(ERROR, f"Its keys are no key set that can be believed ({error}).")
        return
    if not found.keys:
        yield Judged(ERROR, "Its key set has no usable key.")
        return
    yield Judged(GOOD, f"{len(found.keys)} usable key{'s' if len(found.keys) > 1 else ''}.")
    if found.passed_over:
        yield Judged(WARNING, f"Keys that don't count: {'; '.join(str(one) for one in found.passed_over)}.")
