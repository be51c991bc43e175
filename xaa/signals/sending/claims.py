"""What ID tokens and userinfo say of people has changed: receivers whose own client was granted to read it are told.

Access tokens and ID-JAGs say nothing of a person that changes in their lifetime.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from authz.models import Authorization, User
from xaa.openid import claims
from xaa.signals.sending import outbox, receivers, saying
from xaa.signals.sending.saying import Said

# How many people one statement looks up.
BATCH = 500
GROUPS = frozenset({"groups"})
OF_COLUMNS = {
    "email": frozenset({"email", "email_verified"}),
    "first_name": frozenset({"name", "given_name"}),
    "last_name": frozenset({"name", "family_name"}),
    "username": frozenset({"name", "preferred_username"}),
}


def changed(people: Collection[int], names: Collection[str], now: datetime) -> None:
    """`people` by primary key, `names` of claims. Inside `unit_of_work()`, which has changed them."""
    clients = {receiver.client: receiver for receiver in receivers.current() if receiver.client}
    ordered = sorted(people) if clients else []
    for start in range(0, len(ordered), BATCH):
        rows = Authorization.objects.filter(user__in=ordered[start : start + BATCH], revoked=None).order_by("pk")
        mine = rows.filter(client__client_id__in=sorted(clients)).values_list(
            "user", "client__client_id", "identity_scopes"
        )
        granted: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for user_pk, client, scopes in mine:
            granted[user_pk][client].update(scopes)
        for user_pk, scopes_of in granted.items():
            # Of two changes at once the later one sees both. It waits for no new row that names the person.
            locked = User.objects.select_for_update(of=("self",), no_key=True)
            user = locked.filter(pk=user_pk, is_active=True).first()
            if user is not None:
                told = {clients[client]: scopes for client, scopes in scopes_of.items()}
                _tell(user, told, names, now)


def _tell(user: User, granted: dict[receivers.Receiver, set[str]], names: Collection[str], now: datetime) -> None:
    told, occurrence = dict[int, list[Said]](), uuid.uuid4().hex
    for receiver, scopes in granted.items():
        said = claims.of(user, scopes)
        # What is no longer known is said by an empty value.
        readable = [name for name in names if name in _readable(scopes)]
        if readable:
            now_said = {name: said.get(name, [] if name == "groups" else "") for name in readable}
            person = receivers.person_at(receiver, user)
            told[receiver.pk] = [saying.claims_changed(person, now_said, now, occurrence)]
    outbox.write(told, uuid.uuid4(), now)


def _readable(scopes: Collection[str]) -> frozenset[str]:
    return frozenset[str]().union(*(claims.BY_SCOPE.get(scope, ()) for scope in scopes))
