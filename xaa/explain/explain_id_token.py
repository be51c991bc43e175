"""The checks of an issuer's ID token, as a token exchange makes them, without writing what it says of the person."""

from collections.abc import Iterator
from typing import Any

from authz.protocol.jwks import Key
from authz.protocol.jwts import Unverified
from xaa import trusted_issuers
from xaa.explain import explain_person
from xaa.explain.findings import Finding, attempt, finding
from xaa.sign_in.said import read
from xaa.subjects import identity_assertions
from xaa.trusted_issuers import Trust


def audiences(trust: Trust) -> tuple[str, ...]:
    """Which audiences of its ID tokens are of use here: this server as its client, and those of agents."""
    ours = (trust.sign_in.client_id,) if trust.sign_in is not None else ()
    return (*ours, *trust.client_ids)


def explain(token: Unverified, trust: Trust, keys: tuple[Key, ...], now: float) -> Iterator[Finding]:
    accepted = audiences(trust)

    def verified() -> dict[str, Any]:
        others = None if trust.sign_in is not None else trust.trusted_audiences
        return identity_assertions.verify(token, keys, issuer=trust.issuer, audiences=accepted, others=others, now=now)

    claims = attempt(verified)
    seen = f"aud is {token.claims.get('aud')}, and may be {' or '.join(accepted) or 'none yet: no client_id is set'}"
    yield finding("its signature, audience and times are right", claims, seen)
    if not isinstance(claims, dict):
        return
    agent = next((trust.client_ids[one] for one in trust.client_ids if one in _list(claims.get("aud"))), "")
    if agent:
        yield Finding("it stands for an agent", True, agent)
    said = attempt(lambda: read(trust, claims, {}))
    tenant = said.get("tenant", "") if isinstance(said, dict) else ""
    if trust.tenants:
        yield Finding("its tenant is believed", tenant in trust.tenants, tenant or "it names none")
    if isinstance(said, dict):
        yield from explain_person.explain(trust, said)


def use_of(token: Unverified, trust: Trust) -> trusted_issuers.Use:
    """What an assertion without a kind of its own is taken for: an ID token, or a workload's."""
    use = trusted_issuers.Use
    if use.ID_TOKEN.value not in trust.accepts:
        return use.WORKLOAD
    is_for_a_client = any(one in audiences(trust) for one in _list(token.claims.get("aud")))
    return use.ID_TOKEN if is_for_a_client or use.WORKLOAD.value not in trust.accepts else use.WORKLOAD


def _list(audience: object) -> list[object]:
    return audience if isinstance(audience, list) else [audience]
