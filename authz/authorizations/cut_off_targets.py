"""What the core can cut off (authz/authorizations/cut_off.py): a function of the identifier for each kind, None: no
such one."""

from datetime import UTC, datetime
from uuid import UUID

from authz.authorizations.cut_off import State, Target
from authz.models import (
    Authorization,
    AuthorizationCode,
    BrowserSession,
    Client,
    Consent,
    Invitation,
    ProtectedResource,
    User,
)

Status = Client.Status


def client(identifier: str) -> Target | None:
    row = Client.objects.filter(client_id=identifier).first()
    if row is None:
        return None
    this = Client.objects.filter(pk=row.pk)
    return Target(
        name=row.client_id,
        stops="The agent is suspended, and people's consents to it are deleted.",
        state=lambda: {"status": this.values_list("status", flat=True).get()},
        stop=lambda: this.exclude(status=Status.RETIRED).update(status=Status.SUSPENDED),
        reinstate=lambda before, _: this.update(status=before["status"]),
        rows=(this,),
        authorizations=Authorization.objects.filter(client=row),
        consents=Consent.objects.filter(client=row),
        codes=AuthorizationCode.objects.filter(client=row),
        client_id=row.client_id,
    )


def person(identifier: str) -> Target | None:
    user = User.objects.filter(username=identifier).first()
    if user is None:
        return None
    this = User.objects.filter(pk=user.pk)

    def stop() -> None:
        this.update(is_active=False)
        # As with sessions: a link of before must not work when the account comes back.
        Invitation.objects.filter(user=user, used=None, voided=None).update(voided=datetime.now(UTC))

    return Target(
        name=user.username,
        stops="The account is disabled and signed out, and its consents are deleted.",
        state=lambda: {"active": this.values_list("is_active", flat=True).get()},
        stop=stop,
        reinstate=lambda before, _: this.update(is_active=before["active"]),
        rows=(this,),
        authorizations=Authorization.objects.filter(user=user),
        consents=Consent.objects.filter(user=user),
        codes=AuthorizationCode.objects.filter(user=user),
        # An earlier session must not sign its holder in when the account comes back.
        sessions=BrowserSession.objects.filter(user=user),
        subject=str(user.subject),
    )


def authorization(identifier: str) -> Target | None:
    try:
        row = Authorization.objects.select_related("client", "user", "resource").get(pk=UUID(identifier))
    except (ValueError, Authorization.DoesNotExist):
        return None
    forgotten = Consent.objects.filter(user=row.user, client=row.client, resource=row.resource) if row.user else None
    return Target(
        name=str(row.pk),
        stops="Its consent is deleted. The agent may ask again.",
        authorizations=Authorization.objects.filter(pk=row.pk),
        consents=forgotten,
        client_id=row.client.client_id,
        subject=str(row.user.subject) if row.user else "",
        resource=row.resource.identifier if row.resource else "",
    )


def session(identifier: str) -> Target | None:
    """By its digest, as authorizations and the audit name it."""
    grants = Authorization.objects.filter(session_digest=identifier)
    browser = BrowserSession.objects.filter(digest=identifier)
    if not identifier or not (browser.exists() or grants.exists()):
        return None
    return Target(
        name=identifier,
        stops="The browser is signed out.",
        authorizations=grants,
        codes=AuthorizationCode.objects.filter(session_digest=identifier),
        sessions=browser,
    )


def resource(identifier: str) -> Target | None:
    row = ProtectedResource.objects.filter(identifier=identifier).first()
    if row is None:
        return None
    this = ProtectedResource.objects.filter(pk=row.pk)
    return Target(
        name=row.identifier,
        stops="The MCP server is disabled, so no token is issued for it.",
        state=lambda: {"active": this.values_list("is_active", flat=True).get()},
        stop=lambda: this.update(is_active=False),
        reinstate=lambda before, _: this.update(is_active=before["active"]),
        rows=(this,),
        authorizations=Authorization.objects.filter(resource=row),
        codes=AuthorizationCode.objects.filter(resource=row),
        resource=row.identifier,
    )


def everything(identifier: str) -> Target | None:
    if identifier:
        return None
    able = Client.objects.filter(status__in=(Status.APPROVED, Status.PENDING))
    return Target(
        name="everything",
        stops="Every agent is suspended and has to be approved again.",
        state=lambda: {
            status.value: list(Client.objects.filter(status=status).order_by("pk").values_list("pk", flat=True))
            for status in (Status.APPROVED, Status.PENDING)
        },
        stop=lambda: able.update(status=Status.SUSPENDED),
        reinstate=_reinstate_agents,
        rows=(able,),
        # An agent that was changed meanwhile stays as it is, and all others come back.
        is_whole=False,
        covers=(Client.objects.all(),),
        authorizations=Authorization.objects.all(),
        codes=AuthorizationCode.objects.all(),
    )


def _reinstate_agents(before: State, left: frozenset[int]) -> None:
    for status, keys in before.items():
        still = [key for key in keys if key in left]
        for start in range(0, len(still), 500):
            Client.objects.filter(pk__in=still[start : start + 500]).update(status=status)
