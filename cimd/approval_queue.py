"""How many clients strangers may leave behind, and which of them make room for others (attacks 10, 41).

Publishing a document costs nothing. So a client that no person has used, asked for or decided about makes room for the
next one: a full queue of strangers drops strangers (docs/decisions/0039-bounds-on-unknown-clients.md).
"""

from collections.abc import Iterator

from django.db.models import Count, Min, QuerySet

from authz.models import Client
from authz.protocol.errors import OAuthError
from cimd import policy, trust
from cimd.models import Document
from cimd.reasons import Reason

Status = Client.Status
# How many may wait in all that no person has asked for, how many may wait at one host, and how many clients a host may
# have. Of a trusted host only unused ones count.
PENDING, PENDING_PER_HOST, CLIENTS_PER_HOST = 500, 20, 200
# Seconds after which a waiting client of a full host may be replaced by another of the same host.
HOUR = 3600.0
# Seconds to come again in, where room comes only by a decision or by time.
FULL = 3600

Full = tuple[str, QuerySet[Document]]


def require_room(host: str, now: float) -> None:
    """Raises `OAuthError` where strangers have left enough clients behind, and none of them makes room."""
    for limit, makes_room in _full(host, now):
        if not makes_room.exists():
            raise OAuthError(Reason.QUEUE_FULL, detail=limit, retry_after=FULL)


def make_room(host: str, now: float) -> None:
    """Room for one more client of this host, inside `unit_of_work()`; what makes room is removed. Raises as above."""
    for limit, makes_room in _full(host, now):
        first = makes_room.first()
        if first is None:
            raise OAuthError(Reason.QUEUE_FULL, detail=limit, retry_after=FULL)
        Client.objects.filter(document=first).delete()


def _full(host: str, now: float) -> Iterator[Full]:
    """Each limit that is reached, with what may make room, the first to go first."""
    of_host = Document.objects.filter(host=host, client__isnull=False)
    is_trusted = trust.trust_status(host, policy.cached().trust) is trust.TrustStatus.TRUSTED
    counted = of_host.filter(client__authorization=None) if is_trusted else of_host
    if _reaches(counted, CLIENTS_PER_HOST):
        yield "clients of the host", _untouched(of_host, now)
    if is_trusted:
        return
    if _reaches(of_host.filter(client__status=Status.PENDING), PENDING_PER_HOST):
        yield "pending clients of the host", _untouched(of_host, now).filter(fetched__lt=now - HOUR)
    strangers = Document.objects.filter(client__status=Status.PENDING, asked_for=False)
    if _reaches(strangers, PENDING):
        yield "pending clients", _of_the_fullest(_untouched(strangers, now))


def _reaches(rows: QuerySet[Document], limit: int) -> bool:
    return rows.values("pk").distinct()[:limit].count() >= limit


def _untouched(rows: QuerySet[Document], now: float) -> QuerySet[Document]:
    """Those that no person has used, asked for, owned or decided about, and that aren't being fetched."""
    return rows.filter(
        asked_for=False,
        candidate=None,
        approval__in=(Document.Approval.NONE, Document.Approval.HOST),
        lease_until__lte=now,
        client__status__in=(Status.PENDING, Status.APPROVED),
        client__owner=None,
        client__authorization=None,
        client__authorizationcode=None,
        client__consent=None,
        client__accessrequest=None,
    ).order_by("pk")


def _of_the_fullest(rows: QuerySet[Document]) -> QuerySet[Document]:
    """Those of the host that has most: a flood from few hosts pushes out its own clients."""
    hosts = rows.order_by().values("host").annotate(many=Count("pk", distinct=True), oldest=Min("pk"))
    fullest = hosts.order_by("-many", "oldest").first()
    return rows.filter(host=fullest["host"]) if fullest else rows.none()


def asked_for(client: Client) -> None:
    """A person who is signed in asks for this client: it doesn't make room any more."""
    Document.objects.filter(client=client).update(asked_for=True)
