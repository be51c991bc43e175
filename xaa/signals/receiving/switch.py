"""The switch, used by an event and given back by a later one."""

from dataclasses import replace

from django.db import transaction
from django.db.models import Q

from authz.authorizations import cut_off, removal
from authz.models import User
from xaa.models import ReceivedSignal
from xaa.signals.receiving.about import About, Effect


def end(about: About) -> Effect:
    user = about.person.user
    # The last one who could undo a mistake stays, or a wrong stream would lock everyone out.
    active = Q(role=User.Role.ADMINISTRATOR, is_active=True)
    rows = User.objects.select_for_update(of=("self",)).filter(Q(pk=user.pk) | active).order_by("pk")
    administrators = {row.pk for row in rows if row.role == User.Role.ADMINISTRATOR and row.is_active}
    if administrators == {user.pk}:
        return Effect(kept=True, note="The person is this server's last administrator.")
    found = cut_off.target("person", user.username)

    def stop() -> None:
        found.stop()
        removal.close_requests(user)

    row = cut_off.end_now(
        replace(found, stop=stop),
        kind="person",
        identifier=user.username,
        reason=f"{about.source.name}: {about.name}",
        by=about.by,
        now=about.now,
    )
    return Effect(ended=row.counts["authorizations"] + row.counts["sign-ins"], cut_off=row)


def give_back(about: About) -> Effect:
    """What this source's own word disabled, and no more: who was stopped here, before or since, stays so."""
    own = ReceivedSignal.objects.filter(source=about.source, user=about.person.user, undone=None)
    last = own.exclude(cut_off=None).select_related("cut_off").first()
    if last is None or last.cut_off is None:
        return Effect(note="This stream has not disabled the person.")
    try:
        with transaction.atomic():
            cut_off.give_back(last.cut_off, by=about.by, now=about.now)
    except cut_off.NothingToUndo as refused:
        return Effect(kept=True, note=f"The person stays disabled: {refused}"[:255])
    ReceivedSignal.objects.filter(pk=last.pk).update(undone=about.now, undone_by=about.by)
    return Effect(note="Enabled again.")
