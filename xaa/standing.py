"""What another issuer's word gave stands only while that issuer is believed (STANDING_CHECKS, authz/registry.py).

Withdrawing trust ends what rests on it (xaa/lineage.py). This holds however trust was withdrawn: by a bulk update too,
or at the database's prompt.
"""

from django.db.models import Q

from authz import snapshot
from authz.models import Authorization, Client
from authz.models.client import JWT_BEARER
from xaa import trusted_issuers
from xaa.trusted_issuers import Use


def stands(authorization: Authorization, client: Client) -> bool:
    """From the snapshot alone. An authorization that rests on nobody else's word stands."""
    issuer = authorization.lineage.get("issuer")
    if issuer is not None:
        return issuer in _believed_for_people()
    if authorization.user_id is None and authorization.grant_type == JWT_BEARER:
        return client.client_id in _workload_clients()
    return True


def fallen() -> Q:
    """The same question of all at once."""
    by_issuer = Q(lineage__has_key="issuer") & ~Q(lineage__issuer__in=sorted(_believed_for_people()))
    of_workloads = Q(user=None, grant_type=JWT_BEARER) & ~Q(client__client_id__in=sorted(_workload_clients()))
    return by_issuer | of_workloads


def _believed_for_people() -> frozenset[str]:
    return snapshot.cached(
        "believed for people",
        lambda: frozenset(
            trust.issuer
            for trust in trusted_issuers.everyone().values()
            if trust.enabled and Use.ID_JAG.value in trust.accepts
        ),
    )


def _workload_clients() -> frozenset[str]:
    """The clients that some believed issuer has a workload of."""
    return snapshot.cached(
        "workload clients",
        lambda: frozenset(
            binding.client_id
            for trust in trusted_issuers.everyone().values()
            if trust.enabled and Use.WORKLOAD.value in trust.accepts
            for binding in trust.workloads
        ),
    )
