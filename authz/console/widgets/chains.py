"""The chain of an authorization, from the person to the last server, and what ends with it."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from authz.authorizations import chains
from authz.models import Authorization

ARROW = mark_safe(" → ")
# So many hops are shown by themselves.
MOST = 50


def path_of(row: Authorization) -> SafeString:
    """“bob → Assistant → Notes → Search”: each with its authorization, and the server at the end."""
    above = [each.pk for each in reversed(chains.above(row) or [])]
    rows = _of(above)
    steps = [*(rows[pk] for pk in above if pk in rows), row]
    subject = format_html("<bdi>{}</bdi>", row.user.username if row.user else "for itself")
    shown = [subject, *(_step(step) for step in steps)]
    at = format_html("at <bdi>{}</bdi>", row.resource.name or row.resource.identifier) if row.resource else ""
    return format_html("{} {}", format_html_join(ARROW, "{}", ((part,) for part in shown)), at)


def below(row: Authorization) -> SafeString | str:
    """The hops that rest on it, each as its path."""
    hops = _of(chains.under(Authorization.objects.filter(pk=row.pk))[:MOST])
    return format_html_join(mark_safe("<br>"), "{}", ((path_of(hop),) for hop in hops.values())) or "—"


def _of(pks: Sequence[UUID]) -> dict[UUID, Authorization]:
    rows = Authorization.objects.filter(pk__in=pks).select_related("client", "user", "resource").order_by("created")
    return {row.pk: row for row in rows}


def _step(row: Authorization) -> SafeString:
    address = reverse("admin:authz_authorization_change", args=[row.pk])
    ended = " (ended)" if row.revoked else ""
    return format_html('<a href="{}"><bdi>{}</bdi></a>{}', address, row.client.name or row.client.client_id, ended)
