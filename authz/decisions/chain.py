"""What the holder of a token passes on: the chain that it stands at the end of, and what that chain is good for now.

The root's own rules decide first, then each hop's: it has what its rules allow and the hop before it passes on
(docs/decisions/0110). So whatever ends or narrows one of them, at any depth, does the same to all below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from authz import clients, registry, resources
from authz.authorizations import chains
from authz.decisions.evaluation import as_of_issue, evaluate_anywhere
from authz.decisions.question import access_question, actor
from authz.models import Authorization, Client, ProtectedResource
from authz.policy import Actor, StepUp
from authz.sign_in.sign_in import SignIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One authorization of a chain, with its client and its resource. `scopes` are those that it has now."""

    authorization: Authorization
    client: Client
    resource: ProtectedResource
    scopes: frozenset[str]


Chain = tuple[Link, ...]
"""The root first. Empty for an authorization that rests on no other."""


def above(authorization: Authorization, sign_in: SignIn | None, *, judged_at: float, now: float) -> Chain | None:
    """The live chain that a hop rests on; None where any of it is not live, or allows nothing any more.

    judged_at  when the sign-in's age was judged, in seconds since the epoch: for the whole chain at once, at the
               exchange.
    """
    rows = chains.above(authorization)
    found = None if rows is None else _links(rows, [authorization, *rows], sign_in, judged_at=judged_at, now=now)
    return found if isinstance(found, tuple) else None


def down_to(
    authorization: Authorization, sign_in: SignIn | None, *, judged_at: float, now: float
) -> Chain | StepUp | None:
    """The same with the authorization itself, whose token is live, at its end. Where a better sign-in would make it
    live, that sign-in."""
    rows = chains.above(authorization)
    if rows is None:
        return None
    return _links([authorization, *rows], [None, authorization, *rows], sign_in, judged_at=judged_at, now=now)


def _links(
    rows: Sequence[Authorization],
    made_of_them: Sequence[Authorization | None],
    sign_in: SignIn | None,
    *,
    judged_at: float,
    now: float,
) -> Chain | StepUp | None:
    """`made_of_them`: for each row the hop below it, which knows what kind of token was exchanged."""
    found: list[Link] = []
    for row, hop in reversed(list(zip(rows, made_of_them, strict=False))):
        is_bound = hop is None or chains.BOUND in hop.lineage
        link = _link(row, found, sign_in, is_bound=is_bound, judged_at=judged_at, now=now)
        if not isinstance(link, Link):
            return link
        found.append(link)
    return tuple(found)


def path(chain: Sequence[Link]) -> tuple[Actor, ...]:
    """The clients of a chain, as rules name them."""
    return tuple(actor(link.client) for link in chain)


def path_to(authorization: Authorization) -> tuple[Actor, ...]:
    """The clients that a hop came through, whether they are live or not; those that have gone are left out."""
    rows = chains.above(authorization) or []
    found = (clients.by_pk(row.client_id) for row in reversed(rows))
    return tuple(actor(client) for client in found if client is not None)


def passed_on(chain: Sequence[Link], resource: ProtectedResource) -> frozenset[str]:
    """What the last one of a chain may pass on to a resource."""
    return resources.passed_on(chain[-1].resource, resource.identifier, chain[-1].scopes)


def is_standing(row: Authorization, client: Client | None, now: float) -> bool:
    """Whether nothing but rules could keep an authorization from being live: it has not ended, its client is approved
    and the one that it was made for, the issuer that vouched for it is trusted, and its person has an account."""
    if row.revoked is not None or client is None or row.client_id != client.pk:
        return False
    if not client.is_approved(now) or row.client_digest != client.consent_digest:
        return False
    return registry.is_live(row, client) and (row.user is None or row.user.is_active)


def _link(
    row: Authorization,
    before: Sequence[Link],
    sign_in: SignIn | None,
    *,
    is_bound: bool,
    judged_at: float,
    now: float,
) -> Link | StepUp | None:
    client = clients.by_pk(row.client_id)
    resource = resources.by_id(row.resource_id) if row.resource_id is not None else None
    # Attack: a row that says it rests on the token of another person.
    is_same_person = (row.user_id or None) == (sign_in.user.pk if sign_in else None)
    if client is None or resource is None or not is_same_person or not is_standing(row, client, now):
        return None
    if resource.dpop_bound_access_tokens_required and not is_bound:
        return None
    asked = access_question(
        client=client,
        sign_in=sign_in,
        grant_type=row.grant_type,
        resource=resource,
        scopes=row.scopes,
        through=path(before),
    )
    decision = evaluate_anywhere(as_of_issue(asked, issued_at=judged_at, now=now), now)
    if decision.proof_of_possession and not is_bound:
        return None
    scopes = frozenset(decision.scopes)
    if before:
        scopes &= passed_on(before, resource)
    return Link(authorization=row, client=client, resource=resource, scopes=scopes) if scopes else decision.step_up
