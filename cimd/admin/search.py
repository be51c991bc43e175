"""Metadata documents for the console's search, by their URL or host."""

from collections.abc import Iterator

from django.db.models import Q

from authz.console.search.hits import SHOWN, Hit, finder, page_of
from authz.models import User
from cimd.models import Document


@finder("cimd.view_document")
def documents(text: str, viewer: User) -> Iterator[Hit]:
    """A document beside its agent, which is what most look for."""
    rows = Document.objects.filter(Q(url__icontains=text) | Q(host__icontains=text)).order_by("url")
    for row in rows[:SHOWN]:
        is_exact = row.url == text and row.client_id is None
        yield Hit(kind="Metadata document", title=row.host, sub=row.url, url=page_of(row), is_exact=is_exact)
