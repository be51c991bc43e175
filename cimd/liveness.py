"""An agent's authorization is live only while its host is not blocked. An agent that no one approved, because its host
was trusted, also needs a host that still is (LIVENESS_CHECKS, authz/registry.py).
"""

from collections.abc import Mapping

from django.db.models import Q

from authz.database import configuration_cache
from authz.models import Authorization, Client
from cimd import policy, trust
from cimd.models import Document


def is_live(authorization: Authorization, client: Client) -> bool:
    """From the configuration cache alone, but for the first question about a client after a change of configuration."""
    if client.registration_source != Client.RegistrationSource.CIMD:
        return True
    return configuration_cache.cached(("cimd stands", client.pk), lambda: _is_let_in(client.host, _approval(client)))


def not_live() -> Q:
    """The same question of all at once."""
    let_in: dict[tuple[str, str], bool] = {}
    for host, approval in Document.objects.exclude(client=None).values_list("host", "approval").distinct():
        let_in[host, approval] = _is_let_in(host, approval)
    return _of_documents(let_in)


def _of_documents(let_in: Mapping[tuple[str, str], bool]) -> Q:
    out = [key for key, is_in in let_in.items() if not is_in]
    found = Q(pk__in=())
    for approval in {approval for _, approval in out}:
        hosts = [host for host, its_approval in out if its_approval == approval]
        found |= Q(client__document__host__in=hosts, client__document__approval=approval)
    return found


def _is_let_in(host: str, approval: str) -> bool:
    trust_status = trust.trust_status(host, policy.cached().trust)
    if trust_status is trust.TrustStatus.BLOCKED:
        return False
    return trust_status is trust.TrustStatus.TRUSTED or approval != Document.Approval.HOST


def _approval(client: Client) -> str:
    return Document.objects.filter(client=client).values_list("approval", flat=True).first() or ""
