"""An authorization that rests on another issuer is live only while that issuer is trusted (LIVENESS_CHECKS,
authz/registry.py).

Withdrawing trust ends what rests on it (xaa/lineage.py). This holds however trust was withdrawn: by a bulk update too,
or at the database's prompt.
"""

from collections.abc import Mapping

from django.db.models import Q

from authz.database import configuration_cache
from authz.models import Authorization, Client
from authz.models.client import JWT_BEARER
from xaa import trusted_issuers
from xaa.trusted_issuers import Use, public_clients
from xaa.trusted_issuers.public_clients import PUBLIC_HOST

# In the lineage of a hop whose client proved itself by its workload's assertion: who signed that.
ACTOR_ISSUER = "actor_issuer"


def is_live(authorization: Authorization, client: Client) -> bool:
    """From the configuration cache alone. An authorization that rests on no issuer's word is live."""
    lineage = authorization.lineage
    if ACTOR_ISSUER in lineage and client.client_id not in _workload_clients():
        return False
    issuer = lineage.get("issuer")
    if issuer is not None:
        host = lineage.get(PUBLIC_HOST)
        is_let = host is None or public_clients.names(trusted_issuers.cached().get(issuer), host)
        return is_let and _believes(issuer, lineage.get("tenant", ""), _believed_for_people())
    signed_in_by = lineage.get("signed_in_by")
    if signed_in_by is not None:
        return _believes(signed_in_by, lineage.get("signed_in_tenant", ""), _believed_for_sign_in())
    if authorization.user_id is None and authorization.grant_type == JWT_BEARER:
        return client.client_id in _workload_clients()
    return True


def not_live() -> Q:
    """The same question of all at once."""
    by_issuer = _outside("issuer", "tenant", _believed_for_people())
    by_sign_in = _outside("signed_in_by", "signed_in_tenant", _believed_for_sign_in())
    of_workloads = Q(user=None, grant_type=JWT_BEARER) & ~Q(client__client_id__in=sorted(_workload_clients()))
    of_workloads |= Q(lineage__has_key=ACTOR_ISSUER) & ~Q(client__client_id__in=sorted(_workload_clients()))
    return by_issuer | by_sign_in | of_workloads | _without_secret()


def _without_secret() -> Q:
    """What clients without a secret have of issuers that don't name their hosts any more."""
    live = Authorization.objects.filter(lineage__has_key=PUBLIC_HOST, revoked=None)
    known = trusted_issuers.cached()
    found = Q(pk__in=())
    for issuer, host in live.order_by().values_list("lineage__issuer", f"lineage__{PUBLIC_HOST}").distinct():
        if not public_clients.names(known.get(issuer), host):
            found |= Q(lineage__issuer=issuer, **{f"lineage__{PUBLIC_HOST}": host})
    return found


# What is believed: issuers, each with the tenants that are ("" for one without, nothing for any).
Believed = Mapping[str, tuple[str, ...]]


def _believes(issuer: str, tenant: str, believed: Believed) -> bool:
    return issuer in believed and (not believed[issuer] or tenant in believed[issuer])


def _outside(issuer: str, tenant: str, believed: Believed) -> Q:
    """The authorizations whose lineage names an issuer, or a tenant of one, that is not believed."""
    found = ~Q(**{f"lineage__{issuer}__in": sorted(believed)})
    for name, tenants in believed.items():
        # An absent tenant is none of those that are named, and SQL's NULL would say neither yes nor no.
        inside = Q(**{f"lineage__{tenant}__in": tenants, "lineage__has_key": tenant})
        found |= Q(**{f"lineage__{issuer}": name}) & ~inside if tenants else Q(pk__in=())
    return Q(lineage__has_key=issuer) & found


def _believed_for_people() -> Believed:
    return configuration_cache.cached(
        "believed for people",
        lambda: {
            trust.issuer: trust.tenants
            for trust in trusted_issuers.cached().values()
            if trust.enabled and Use.ID_JAG.value in trust.accepts
        },
    )


def _believed_for_sign_in() -> Believed:
    return configuration_cache.cached(
        "believed for sign-in",
        lambda: {trust.issuer: trust.tenants for trust in trusted_issuers.cached().values() if trust.signs_in},
    )


def _workload_clients() -> frozenset[str]:
    """The clients that some believed issuer has a workload of."""
    return configuration_cache.cached(
        "workload clients",
        lambda: frozenset(
            binding.client_id
            for trust in trusted_issuers.cached().values()
            if trust.enabled and Use.WORKLOAD.value in trust.accepts
            for binding in trust.workloads
        ),
    )
