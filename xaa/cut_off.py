"""Suspends a trusted issuer (authz/authorizations/cut_off.py): no assertion of it is accepted any more."""

from django.db.models import Q

from authz.authorizations.cut_off import State, Target
from authz.models import Authorization, AuthorizationCode, BrowserSession
from authz.models.client import JWT_BEARER
from xaa.models import TrustedIssuer


def issuer(identifier: str) -> Target | None:
    row = TrustedIssuer.objects.filter(issuer=identifier).first()
    if row is None:
        return None
    workloads = row.workloads.values_list("client", flat=True)
    signed_in = BrowserSession.objects.filter(issuer=row.issuer)
    by_workload = Q(client__in=list(workloads), user=None, grant_type=JWT_BEARER)
    this = TrustedIssuer.objects.filter(pk=row.pk)

    def reinstate(before: State, _: frozenset[int]) -> None:
        this.update(enabled=before["enabled"])

    return Target(
        name=row.issuer,
        stops="It is switched off, so nothing that it says is believed, and the people it signed in are signed out.",
        state=lambda: {"enabled": this.values_list("enabled", flat=True).get()},
        # What rests on it is ended below, and counted.
        stop=lambda: this.update(enabled=False),
        reinstate=reinstate,
        rows=(this,),
        authorizations=Authorization.objects.filter(
            Q(lineage__issuer=row.issuer) | Q(lineage__signed_in_by=row.issuer) | by_workload
        ),
        codes=AuthorizationCode.objects.filter(lineage__signed_in_by=row.issuer),
        sessions=signed_in,
    )
