"""What needs doing first about a person: only what the data says."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from authz.console.agents.attention import rows as agents_that_need_attention
from authz.console.cut_off import address
from authz.console.people import invite
from authz.console.people.second_factors import of_person
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.models import Authorization, Client, User
from authz.sign_in import invitations


def tasks(request: HttpRequest, user: User, now: datetime) -> list[Task]:
    found = []
    if not user.is_active:
        live = Authorization.objects.filter(user=user, revoked=None)[:MAX_TASKS].count()
        if live:
            text = many(live, "Disabled, with 1 live authorization", "Disabled, with {} live authorizations")
            found.append(Task(text, address("person", user.username), "End access"))
        owned = Client.objects.filter(owner=user).exclude(status=Client.Status.RETIRED)[:MAX_TASKS].count()
        if owned:
            text = many(owned, "Disabled, and owns 1 agent", "Disabled, and owns {} agents")
            url = f"{reverse('admin:authz_client_changelist')}?attention=ownerless"
            found.append(Task(text, url, "Find an owner"))
        return found
    found += _without_a_way_in(request, user, now)
    if user.role == User.Role.ADMINISTRATOR and invitations.has_password(user) and not of_person(user):
        found.append(Task("An administrator without a second factor", "#second-factors", "Look"))
    for kind, words in (("ended", "approval has ended"), ("ending", "approval ends soon")):
        count = agents_that_need_attention(kind, now).filter(owner=user)[:MAX_TASKS].count()
        if count:
            url = f"{reverse('admin:authz_client_changelist')}?attention={kind}"
            agents = many(count, "1 agent of theirs", "{} agents of theirs")
            found.append(Task(f"{agents}: {words}", url, "Look"))
    return found


def _without_a_way_in(request: HttpRequest, user: User, now: datetime) -> list[Task]:
    if invitations.why_not(user):
        return []
    url = reverse("admin:authz_user_invite", args=[user.pk]) if invite.may_invite(request) else ""
    last = invite.last_of(user)
    if last is None:
        text = "Has no password yet"
    elif invitations.is_invited(user, now):
        text = "Invited, and has not chosen a password yet"
    else:
        text = "The invitation was not used, and no longer works"
    return [Task(text, url, "Invite again" if last else "Invite")]
