"""What the server thinks of an assertion, check by check, without using it up (`manage.py xaa explain`).

The checks are the ones that redeeming makes: the same rules over the same configuration, gone through to the end
instead of to the first that refuses.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from authz import clients, decisions, resources
from authz.conf import conf
from authz.database import replay
from authz.dpop import bound_key
from authz.models import Client, ProtectedResource
from authz.policy import AccessQuestion, Outcome
from authz.protocol import jwts, scopes
from authz.protocol.errors import OAuthError
from authz.protocol.jwks import Key
from authz.protocol.jwts import JwtError, Unverified
from authz.registry import PUBLIC, TokenRequest
from authz.sign_in.sign_in import sign_in_of
from xaa import id_jag, trusted_issuers, workloads
from xaa.explain import explain_id_token, explain_person
from xaa.explain.findings import Finding, attempt, finding
from xaa.id_jag import rules
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.redeeming import granted_limits, jwt_bearer, single_uses
from xaa.trusted_issuers import Trust, Use, public_clients
from xaa.workloads import spiffe


def explain(
    assertion: str, *, client_id: str | None, now: float, issuer: Trust | None = None, resource: str | None = None
) -> Iterator[Finding]:
    """The findings in the order in which redeeming looks.

    `client_id` is who would present it; its own client if None. `resource` is the request's. `issuer`: the assertion
    has to be of this one, which is looked at as if it counted already.
    """
    try:
        token = jwts.parse(assertion)
    except JwtError as error:
        yield Finding("it can be read", False, BY_JWT_PROBLEM[error.problem].value)
        return
    is_id_jag = token.typ == id_jag.TYP
    trust = attempt(lambda: _issuer_of(token, issuer))
    use = (
        Use.ID_JAG if is_id_jag else explain_id_token.use_of(token, trust) if isinstance(trust, Trust) else Use.WORKLOAD
    )
    yield Finding("it can be read", True, f"{_KINDS[use]}, {token.alg}")
    yield finding("its issuer is trusted", trust, str(token.claims.get("iss"))[:200])
    if not isinstance(trust, Trust):
        return
    yield finding(f"the issuer is trusted for this ({use.value})", attempt(lambda: trusted_issuers.require(trust, use)))
    keys = attempt(lambda: trusted_issuers.keys_for(trust, token))
    passed_over = trusted_issuers.passed_over(trust)
    counted = f"{len(keys)} key{'' if len(keys) == 1 else 's'}" if isinstance(keys, tuple) else ""
    yield finding("the issuer's keys are at hand", keys, "; ".join(filter(None, (counted, *_told(passed_over, keys)))))
    found = keys if isinstance(keys, tuple) else ()
    match use:
        case Use.ID_JAG:
            yield from _explain_id_jag(token, trust, found, _Asked(client_id, resource, now))
        case Use.ID_TOKEN:
            yield from explain_id_token.explain(token, trust, found, now)
        case _:
            yield from _explain_workload(token, trust, found, _Asked(client_id, resource, now))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The request that would present the assertion. `now` is in seconds since the epoch."""

    client_id: str | None
    resource: str | None
    now: float


_KINDS = {Use.ID_JAG: "an ID-JAG", Use.ID_TOKEN: "an ID token", Use.WORKLOAD: "an assertion of a workload"}


def _issuer_of(token: Unverified, issuer: Trust | None) -> Trust:
    if issuer is None:
        return trusted_issuers.of(token)
    named = token.claims.get("iss", spiffe.trust_domain(token.claims.get("sub")))
    if named != issuer.issuer:
        raise OAuthError(Reason.ISSUER_UNTRUSTED, detail=f"it has to be {issuer.issuer}")
    return issuer


def _told(passed_over: tuple[str, ...], keys: object) -> tuple[str, ...]:
    """Each key that does not count; a refusal for want of keys has named them already."""
    return tuple(f"passed over {one}" for one in passed_over) if isinstance(keys, tuple) else ()


def _explain_id_jag(token: Unverified, trust: Trust, keys: tuple[Key, ...], asked: _Asked) -> Iterator[Finding]:
    presenter = asked.client_id or str(token.claims.get("client_id", ""))
    client = attempt(lambda: clients.find(presenter))
    yield finding("the client that presents it is known", client, presenter)
    presented = id_jag.Presented(
        token=token,
        keys=keys,
        issuer=trust.issuer,
        audience=conf.issuer,
        client_id=presenter,
        authenticated=isinstance(client, Client) and client.token_endpoint_auth_method != PUBLIC,
        now=asked.now,
        public_lifetime=public_clients.lifetime(trust, client) if isinstance(client, Client) else None,
        aud_tenant=trust.aud_tenant,
        # As its client would present it, with the key.
        jkt=bound_key(token.claims),
    )
    for rule in id_jag.RULES:
        outcome = attempt(partial(rule, presented))
        seen = _SEEN[rule](presented) if isinstance(outcome, OAuthError) and rule in _SEEN else ""
        yield finding(rule.__name__.replace("_", " "), outcome, seen)
    granted = attempt(lambda: id_jag.verify(presented))
    if not isinstance(granted, id_jag.IdJag) or not isinstance(client, Client):
        return
    request = TokenRequest(client=client, auth_method=client.token_endpoint_auth_method, params={}, now=asked.now)
    resource = attempt(lambda: granted_limits.resource_of(granted, asked.resource))
    seen = ", ".join(granted.resources) or asked.resource or "it names none: the default"
    yield finding("its resource is ours", resource, seen)
    if not isinstance(resource, ProtectedResource):
        return
    yield Finding("it has not been used before", not single_uses.is_claimed(granted, resource), granted.jti)
    wanted = attempt(lambda: granted_limits.scopes_of(granted, resource, request))
    yield finding("it grants scopes that exist there", wanted, scopes.join(granted.scopes or ()))
    yield from _explain_person(
        trust=trust,
        granted=granted,
        client=client,
        resource=resource,
        wanted=wanted if isinstance(wanted, tuple) else (),
        now=asked.now,
    )


def _times(presented: id_jag.Presented) -> str:
    """Each time relative to now, in seconds."""
    times = {name: presented.claims.get(name) for name in ("iat", "nbf", "exp")}
    return ", ".join(
        f"{name} {value - presented.now:+.0f} s" if isinstance(value, int | float) else f"{name} {value!r}"
        for name, value in times.items()
        if value is not None
    )


# What was seen where a rule is broken: what the assertion says beside what it should.
_SEEN: dict[id_jag.Rule, Callable[[id_jag.Presented], str]] = {
    rules.its_client_authenticates: lambda presented: (
        f"{presented.client_id} is a public client whose host the issuer's public_clients don't name, or not known"
    ),
    rules.its_signature_holds: lambda presented: (
        f"its kid is {presented.token.kid}, the issuer has {', '.join(str(key.kid) for key in presented.keys)}"
    ),
    rules.it_is_for_us: lambda presented: f"it is for {presented.claims.get('aud')}, and we are {presented.audience}",
    rules.its_client_presents_it: lambda presented: (
        f"it is for {presented.claims.get('client_id')}, and {presented.client_id} presents it"
    ),
    rules.it_is_in_time: lambda presented: f"{_times(presented)} from now; {jwts.CLOCK_SKEW} s are forgiven",
}


def _explain_person(
    *,
    trust: Trust,
    granted: id_jag.IdJag,
    client: Client,
    resource: ProtectedResource,
    wanted: tuple[str, ...],
    now: float,
) -> Iterator[Finding]:
    user = yield from explain_person.explain(trust, granted.claims)
    if user is None:
        return
    question = decisions.access_question(
        client=client,
        sign_in=sign_in_of(user, granted),
        grant_type=jwt_bearer.GRANT_TYPE,
        resource=resource,
        scopes=wanted,
    )
    yield _decided(question, now)


def _explain_workload(token: Unverified, trust: Trust, keys: tuple[Key, ...], asked: _Asked) -> Iterator[Finding]:
    named = workloads.clients_of(trust.workloads, token.claims)
    seen = ", ".join(named) or workloads.nearest(trust.workloads, token.claims) or "the issuer has no workloads"
    yield Finding("it is a workload that is bound to a client", bool(named), seen)
    presenter = asked.client_id or (named[0] if named else "")
    judged = attempt(
        lambda: workloads.verify(
            token,
            keys,
            trust.workloads,
            issuer=trust.issuer,
            audience=conf.issuer,
            client_id=presenter,
            now=asked.now,
            audiences=trust.audience,
            max_lifetime=trust.max_lifetime,
        )
    )
    seen = _seen_of_workload(token, trust, presenter) if isinstance(judged, OAuthError) else presenter
    yield finding("its signature, audience, times and client are right", judged, seen)
    client = attempt(lambda: clients.find(presenter))
    yield finding("the client is known", client, presenter)
    if not isinstance(judged, workloads.Workload) or not isinstance(client, Client):
        return
    if trust.reuse or judged.reuse or client.reuse_assertions:
        yield Finding("it may be used until it expires", True, _who_lets_reuse(trust, judged, client))
    else:
        is_new = not replay.is_claimed(f"assertion:{judged.issuer}", judged.jti)
        yield Finding("it has not been used before", is_new, judged.jti)
    resource = attempt(lambda: resources.requested(asked.resource))
    yield finding("the resource is ours" if asked.resource else "a request without a resource has one", resource)
    if isinstance(resource, ProtectedResource):
        known = scopes.registered(client.scope, resources.scopes_of(resource))
        question = decisions.access_question(
            client=client, sign_in=None, grant_type=jwt_bearer.GRANT_TYPE, resource=resource, scopes=known
        )
        yield _decided(question, asked.now)


def _seen_of_workload(token: Unverified, trust: Trust, presenter: str) -> str:
    """What the assertion says beside what it should."""
    accepted = " or ".join((conf.issuer, *trust.audience))
    lifetime = ""
    match token.claims:
        case {"iat": int() | float() as iat, "exp": int() | float() as exp}:
            lifetime = f"; it lives {exp - iat:.0f} s, and may {trust.max_lifetime} s"
    aud = token.claims.get("aud")
    return f"presented by {presenter or 'nothing known'}; aud is {aud}, and may be {accepted}{lifetime}"


def _who_lets_reuse(trust: Trust, workload: workloads.Workload, client: Client) -> str:
    switches = {
        "its issuer": trust.reuse,
        "its workload": workload.reuse,
        f"reuse_assertions of {client.client_id}": client.reuse_assertions,
    }
    return "by " + ", ".join(name for name, is_on in switches.items() if is_on)


def _decided(question: AccessQuestion, now: float) -> Finding:
    decision = decisions.evaluate(question, now)
    passed = decision.effect is Outcome.ALLOW
    return Finding("policy allows it", passed, f"{decision.reason}: {', '.join(decision.rules) or 'no rule'}")
