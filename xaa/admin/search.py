"""Trusted issuers, resource authorization servers and the people of issuers for the console's search."""

from collections.abc import Iterator

from django.db.models import Q

from authz.console.search.hits import SHOWN, Hit, finder, page_of
from authz.models import User
from xaa.models import ResourceAuthorizationServer, SubjectLink, TrustedIssuer


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


@finder("authz.view_user")
def linked_people(text: str, viewer: User) -> Iterator[Hit]:
    """A person by the `sub` that an issuer has for them, as its logs and assertions do."""
    for link in SubjectLink.objects.filter(subject=text).select_related("user", "issuer")[:SHOWN]:
        sub = f"{link.subject} of {link.issuer}"
        ends = ("person", link.user.username)
        yield Hit(kind="Person", title=link.user.username, sub=sub, url=page_of(link.user), is_exact=True, ends=ends)
