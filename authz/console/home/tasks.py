"""What waits for the person who is signed in: the top of the home page."""

from datetime import datetime, timedelta

from django.http import HttpRequest
from django.urls import reverse

from authz.approvals import agent_lifecycle
from authz.console.access_requests.waiting import waiting_for_me
from authz.console.site import console
from authz.console.widgets import unusual
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.models import Client, Notification, ProtectedResource, Rule, SigningKey, User
from authz.sign_in.roles import APPROVE_AGENTS, DECIDE_REQUESTS

OLD_KEY = timedelta(days=180)
# An approval that ends soon is counted up to this number.
MAX_LIFECYCLE = 200


def tasks(request: HttpRequest, now: datetime) -> list[Task]:
    found = []
    agents = reverse("admin:authz_client_changelist")
    if request.user.has_perm("authz.change_webhookendpoint"):
        lost = Notification.objects.filter(due=None, delivered=None, created__gt=now - timedelta(days=7))[:100].count()
        if lost:
            url = f"{reverse('admin:authz_notification_changelist')}?state=failed"
            found.append(Task(f"{lost} notification{'s' * (lost > 1)} did not arrive", url, "Look"))
    if request.user.has_perm(APPROVE_AGENTS):
        if waiting := Client.objects.filter(status=Client.Status.PENDING)[:MAX_TASKS].count():
            text = many(waiting, "1 agent waits for approval", "{} agents wait for approval")
            found.append(Task(text, f"{agents}?status__exact=pending", "Decide", "inbox"))
        found += _lifecycle(agents, now)
    if request.user.has_perm(DECIDE_REQUESTS) and (asks := len(waiting_for_me(request, now))):
        queue = f"{reverse('admin:authz_accessrequest_changelist')}?waits=me"
        text = many(asks, "1 access request waits for you", "{} access requests wait for you")
        found.append(Task(text, queue, "Decide", "inbox"))
    found += unusual.tasks(request, now)
    for model_admin in console._registry.values():
        if hasattr(model_admin, "tasks"):
            found += model_admin.tasks(request, now)
    if request.user.is_superuser:
        found += _setting_up(now)
    return found


def _lifecycle(agents: str, now: datetime) -> list[Task]:
    """Approvals that end soon, or have ended."""
    rows = Client.objects.filter(status=Client.Status.APPROVED, approved_until__lte=now + agent_lifecycle.SOON)
    ends = list(rows.order_by("approved_until").values_list("approved_until", flat=True)[:MAX_LIFECYCLE])
    ended = sum(end is not None and end <= now for end in ends)
    found = []
    for kind, count, one, some in (
        ("ended", ended, "approval of an agent has ended", "approvals of agents have ended"),
        ("ending", len(ends) - ended, "approval of an agent ends soon", "approvals of agents end soon"),
    ):
        if count:
            more = "+" if len(ends) == MAX_LIFECYCLE else ""
            found.append(Task(f"{count}{more} {one if count == 1 else some}", f"{agents}?attention={kind}", "Renew"))
    return found


def _setting_up(now: datetime) -> list[Task]:
    """What an empty server needs first, and keys that grow old."""
    found = []
    if not ProtectedResource.objects.exists():
        found.append(
            Task("No MCP server is registered yet", reverse("admin:authz_protectedresource_add"), "Add one", "server")
        )
    if not Rule.objects.exists():
        found.append(
            Task("There is no rule yet, so no token is issued", reverse("admin:authz_rule_add"), "Write one", "rule")
        )
    if User.objects.filter(is_active=True)[:2].count() < 2:
        text = "You are the only person here. An agent's owner may not approve it, so you need a second person"
        found.append(Task(text, reverse("admin:authz_user_add"), "Add a person", "person"))
    signing = list(SigningKey.objects.filter(retired=None).values_list("alg", "signs_from"))
    keys = reverse("admin:authz_signingkey_changelist")
    if not signing:
        found.append(Task("There is no signing key, so no token can be issued", keys, "See the keys", "key"))
    for alg, signs_from in signing:
        if signs_from < now - OLD_KEY:
            found.append(
                Task(f"The {alg} key has been signing for more than {OLD_KEY.days} days", keys, "Rotate it", "key")
            )
    return found
