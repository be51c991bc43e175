"""A row of each model that pages show, with hostile text from outside (attack 11).

Works in a test's database, and in a server's own: `manage.py shell -c "from tests.support.everything import …"`.
"""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.apps import apps
from django.contrib.auth.models import Group

from authz.configuration import By, plans
from authz.models import (
    AccessRequest,
    AuditDestination,
    AuditEvent,
    Authorization,
    BrowserSession,
    Client,
    CutOff,
    Notification,
    ProtectedResource,
    Rule,
    SavedView,
    Scope,
    User,
    WebhookEndpoint,
)

RIGHT_TO_LEFT, ZERO_WIDTH = "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{ZERO WIDTH SPACE}"
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"
HOSTILE = f"{MARKUP} {RIGHT_TO_LEFT}gpj.exe{ZERO_WIDTH} " + "W" * 120


def first(label: str) -> object:
    """The key of a row, for tests/support/pages.py."""
    if label == "resource":
        return ProtectedResource.objects.order_by("pk").values_list("identifier", flat=True).first()
    app, _, model = label.partition("_")
    # The latest: the one with text from outside.
    return apps.get_model(app, model).objects.order_by("-pk").values_list("pk", flat=True).first()


def fill(text: str = HOSTILE, *, owner: str = "alice") -> None:
    """One row of each model of the console, named by `text` wherever a client could have named it."""
    from cimd.models import Document, DocumentVersion, Policy
    from xaa.models import (
        Directory,
        DirectoryContact,
        DirectoryPerson,
        DirectoryToken,
        IssuerHealth,
        ReceivedSignal,
        ResourceAuthorizationServer,
        Session,
        SignalReceiver,
        SignalSource,
        SignalSourceState,
        SignalStream,
        SubjectLink,
        TargetResource,
        TrustedIssuer,
    )

    now = datetime.now(UTC)
    alice = User.objects.get(username=owner)
    stranger = User.objects.create(username=text[:150], email="s@example.com", first_name=text[:150])
    Group.objects.create(name=text[:150])
    resource = ProtectedResource.objects.create(identifier="https://hostile.example.com/mcp", name=text[:255])
    Scope.objects.create(resource=resource, name="hostile:read", description=text[:255])
    agent = Client.objects.create(
        client_id="https://agents.example.com/client.json", name=text[:255], status="pending", owner=stranger,
        registration_source="cimd", grant_types=["authorization_code"], redirect_uris="https://agents.example.com/cb",
        environment=text[:64], tags=[text[:60]], client_uri="https://agents.example.com/",
    )  # fmt: skip
    row = Authorization.objects.create(
        client=agent, user=alice, resource=resource, grant_type="authorization_code", scopes=["hostile:read"],
        created=now, lineage={"rules": [text], "actor": text},
    )  # fmt: skip
    CutOff.objects.create(
        kind="client", identifier="nightly-report", name=text, time=now, by=text[:150], reason=text[:500],
        counts={"authorizations": 1}, before={"status": "approved"}, after={"status": "suspended"},
    )  # fmt: skip
    planned = {"users": [{"username": "planned", "groups": [MARKUP]}]}
    plans.make(json.dumps(planned), prune=False, note=text[:500], by=By(text[:255]), now=now)
    # A rule's name takes no control characters. It is about the hostile agent only, so all others behave as before.
    Rule.objects.create(
        name=f"{MARKUP} rule", effect="require_approval",
        definition={
            "clients": [agent.client_id], "groups": ["*"], "grant_types": ["*"], "resources": ["*"], "scopes": ["*"],
        },
    )  # fmt: skip
    AccessRequest.objects.create(
        digest="h", client=agent, user=stranger, resource=resource.identifier, grant_type="authorization_code",
        scopes=["hostile:read"], context={"rules": [text], "address": "203.0.113.9"}, first_asked=now, last_asked=now,
    )  # fmt: skip
    AuditEvent.objects.create(
        time=now, event="token:access:refused", reason="client_unknown", client_id=text, subject=text[:255],
        resource=text, authorization=str(row.pk), address="203.0.113.9", detail={"scope": text, "rules": [text]},
    )  # fmt: skip
    _document(Document, DocumentVersion, agent, text, now)
    Policy.objects.get_or_create(pk=1, defaults={"trusted_hosts": ["agents.example.com"]})
    issuer = TrustedIssuer.objects.create(
        issuer="https://idp.hostile.example.com", name=text[:255], accepts=["id-jag"], match=["sub"]
    )
    IssuerHealth.objects.create(issuer=issuer, failures=3, failed=now, failure="timeout", keys=1, fetched=now)
    SubjectLink.objects.create(issuer=issuer, subject=text[:255], user=stranger)
    _receiver(SignalReceiver, SignalStream, text, now)
    _directory((Directory, DirectoryContact, DirectoryPerson, DirectoryToken), issuer, stranger, text, now)
    _signals((SignalSource, SignalSourceState, ReceivedSignal), issuer, stranger, text, now)
    server = ResourceAuthorizationServer.objects.create(issuer="https://as.hostile.example.com", name=text[:255])
    TargetResource.objects.create(server=server, identifier="https://mcp.hostile.example.com/", scopes=["a.read"])
    SavedView.objects.create(owner=alice, name=text[:60], query="outcome=refused", is_shared=True)
    endpoint = WebhookEndpoint.objects.create(
        name=text[:100], url="https://hooks.hostile.example.com/", events=["*"], secret=b"x", failure=text[:200]
    )
    Notification.objects.create(
        message=uuid4(), kind="agent.waiting", endpoint=endpoint, subject=text[:200], body=text, created=now,
        failure=text[:200],
    )  # fmt: skip
    AuditDestination.objects.create(name="hostile", format="jsonl", to="file:hostile", failures=1, failure=text[:200])
    Session.objects.create(digest="d" * 64, user=stranger)
    BrowserSession.objects.create(digest="d" * 64, session_data="", expire_date=now + timedelta(days=1))


def _receiver(receivers: type, streams: type, text: str, now: datetime) -> None:
    row = receivers.objects.create(name=text[:100], client=text[:255], resources=["https://notes.example/mcp"])
    streams.objects.create(
        receiver=row,
        created=now,
        method="urn:ietf:rfc:8935",
        endpoint_url="https://receiver.example/events",
        status="paused",
        changed_by="server",
        reason=text[:255],
        failing_since=now,
        failure=text[:255],
    )


def _directory(models: tuple, issuer: object, person: User, text: str, now: datetime) -> None:
    directories, contacts, people, tokens = models
    row = directories.objects.create(name=text[:100], issuer=issuer, subject="externalId", groups=[text[:150]])
    contacts.objects.create(directory=row, last=now, failed=now, failure=text[:255])
    people.objects.create(
        directory=row, user=person, user_name=text[:255], user_name_key=text[:255], created=now, modified=now
    )
    tokens.objects.create(directory=row, digest="d" * 64, created=now, expires=now + timedelta(days=1), by=text[:255])


def _signals(models: tuple, issuer: object, person: User, text: str, now: datetime) -> None:
    sources, states, signals = models
    row = sources.objects.create(name=text[:100], issuer=issuer, token=b"\1")
    states.objects.create(
        source=row, stream_id=text[:255], status="paused", status_reason=text[:255], held=now, held_because=text[:255],
        failed=now, failure=text[:255], last=now, verified=now,
    )  # fmt: skip
    signals.objects.create(
        source=row, jti=text[:255], event_type=text[:255], user=person, outcome="acted", action="end", note=text[:255],
        issued=now, happened=now, received=now, before={"email": text}, subject={"format": text},
    )  # fmt: skip


def _document(documents: type, versions: type, agent: Client, text: str, now: datetime) -> None:
    document = documents.objects.create(  # type: ignore[attr-defined]
        url=agent.client_id, host="agents.example.com", origin="https://agents.example.com", client=agent,
        fetched=now.timestamp(), failures=1, failure="timeout", failed=now.timestamp(),
        failure_checks=[{"name": "host", "verdict": "refused", "explanation": text}],
    )  # fmt: skip

    def version(digest: str, name: str) -> object:
        body = json.dumps({"client_id": agent.client_id, "client_name": name}).encode()
        return versions.objects.create(  # type: ignore[attr-defined]
            document=document, digest=digest * 64, body=body, address="203.0.113.9", fetched=now, metadata={},
            changes=["name"],
        )  # fmt: skip

    document.current, document.candidate = version("a", "Innocent"), version("b", text)
    document.save()
