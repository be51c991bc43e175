"""That an ID-JAG went to an authorization server which is told of ends: written in the transaction that issues it."""

from datetime import UTC, datetime

from authz.models import Client, User
from xaa.models import IdJagReceipt
from xaa.signals.sending import receivers

_ONE = ["server", "user", "client", "client_there", "authorization", "issuer"]


def record(server: str, user: User, client: Client, client_there: str, *, authorization: str, issuer: str) -> None:
    """One statement, and none where no receiver is told of that server. Inside `unit_of_work()`.

    authorization  what the ID-JAG rests on here; "" where it rests on an ID token of `issuer`.
    """
    if server not in receivers.servers(receivers.cached()):
        return
    row = IdJagReceipt(
        server=server,
        user=user,
        client=client,
        client_there=client_there,
        authorization=authorization,
        issuer="" if authorization else issuer,
        last=datetime.now(UTC),
    )
    IdJagReceipt.objects.bulk_create([row], update_conflicts=True, update_fields=["last"], unique_fields=_ONE)
