"""Trusted issuers and resource authorization servers for the console's search, by identifier or name."""

from collections.abc import Iterator

from django.db.models import Q

from authz.console.search.hits import SHOWN, Hit, finder, page_of
from authz.models import User
from xaa.models import ResourceAuthorizationServer, TrustedIssuer


@finder("xaa.view_trustedissuer")
def issuers(text: str, viewer: User) -> Iterator[Hit]:
    bare = text.rstrip("/")
    rows = TrustedIssuer.objects.filter(Q(issuer__icontains=bare) | Q(name__icontains=text)).order_by("name")
    for row in rows[:SHOWN]:
        is_exact = bare in {row.issuer.rstrip("/"), row.name}
        yield Hit(
            kind="Trusted issuer",
            title=row.name,
            sub=row.issuer,
            url=page_of(row),
            is_exact=is_exact,
            ends=("issuer", row.issuer),
        )


@finder("xaa.view_resourceauthorizationserver")
def targets(text: str, viewer: User) -> Iterator[Hit]:
    bare = text.rstrip("/")
    found = Q(issuer__icontains=bare) | Q(name__icontains=text) | Q(resources__identifier__icontains=text)
    for row in ResourceAuthorizationServer.objects.filter(found).distinct().order_by("name")[:SHOWN]:
        is_exact = bare in {row.issuer.rstrip("/"), row.name}
        kind = "Resource authorization server"
        yield Hit(kind=kind, title=row.name, sub=row.issuer, url=page_of(row), is_exact=is_exact)
