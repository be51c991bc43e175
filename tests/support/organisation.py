"""An organisation after a month, for the pictures in the docs and the tests of the console.

`CONFIGURATION` is applied first. Then `fill()` writes what no file has: requests, decisions, events. It
works in a test's database, and in a server's own: `manage.py shell -c "from tests.support import organisation; …"`.
"""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from authz import audit
from authz.models import (
    AccessRequest,
    AuditEvent,
    Authorization,
    Client,
    ProtectedResource,
    SavedView,
    SigningKey,
    User,
    WebhookEndpoint,
)

SECRET = "only-for-pictures-0123456789-0123456789"
WIKI, TICKETS, LEDGER = (
    "https://mcp.wiki.acme.example/",
    "https://mcp.tickets.acme.example/",
    "https://mcp.ledger.acme.example/",
)
CUSTOMERS, WAREHOUSE = "https://mcp.customers.acme.example/", "https://mcp.warehouse.acme.example/"
CLAUDE = "https://claude.ai/oauth/claude-code-client-metadata"
VSCODE = "https://vscode.dev/oauth/client-metadata.json"

CONFIGURATION = f"""
users:
  - {{username: alice, password: alice-password, email: alice@acme.example, groups: [platform, engineering],
     role: administrator}}
  - {{username: bob, password: bob-password, email: bob@acme.example, groups: [security], role: approver}}
  - {{username: charlie, password: charlie-password, email: charlie@acme.example, groups: [support]}}
  - {{username: dana, password: dana-password, email: dana@acme.example, groups: [audit], role: auditor}}
  - {{username: erin, password: erin-password, email: erin@acme.example, groups: [engineering, data], role: developer}}
  - {{username: farid, password: farid-password, email: farid@acme.example, groups: [finance]}}
  - {{username: greta, password: greta-password, email: greta@acme.example, groups: [support]}}
  - {{username: hugo, password: hugo-password, email: hugo@acme.example, groups: [engineering]}}
resources:
  - identifier: {WIKI}
    name: Wiki
    default: true
    owner: alice
    scopes:
      - {{name: "pages:read", description: Read pages}}
      - {{name: "pages:share", description: Share pages outside of the organisation, sensitivity: medium}}
      - {{name: "pages:write", description: Change and delete pages, sensitivity: high}}
  - identifier: {TICKETS}
    name: Ticket desk
    owner: erin
    scopes:
      - {{name: "tickets:read", description: Read tickets and their attachments}}
      - {{name: "tickets:write", description: Answer and close tickets, sensitivity: medium}}
  - identifier: {LEDGER}
    name: Ledger
    owner: farid
    access_token_signing_alg: ES256
    access_token_lifetime: 300
    scopes:
      - {{name: "ledger:read", description: See bookings, sensitivity: medium}}
      - {{name: "ledger:book", description: Book money, sensitivity: high}}
  - identifier: {CUSTOMERS}
    name: Customer records
    owner: greta
    access_token_lifetime: 300
    scopes:
      - {{name: "customers:read", description: "See customers, their contracts and addresses", sensitivity: high}}
  - identifier: {WAREHOUSE}
    name: Data warehouse
    owner: erin
    access_token_signing_alg: EdDSA
    scopes:
      - {{name: "query:run", description: Run read-only queries, sensitivity: medium}}
      - {{name: "tables:export", description: Export whole tables, sensitivity: high}}
clients:
  - {{client_id: nightly-report, client_name: Nightly report, status: approved, owner: erin, environment: production,
     grant_types: [client_credentials], token_endpoint_auth_method: client_secret_basic, client_secret: {SECRET}}}
  - {{client_id: invoice-matcher, client_name: Invoice matcher, status: approved, owner: farid, environment: production,
     grant_types: [client_credentials], token_endpoint_auth_method: client_secret_basic, client_secret: {SECRET}}}
  - {{client_id: desktop-app, client_name: Meeting notes, status: approved, owner: hugo, environment: production,
     grant_types: [authorization_code, refresh_token], token_endpoint_auth_method: none,
     redirect_uris: ["http://127.0.0.1/callback"]}}
  - {{client_id: support-assistant, client_name: Support assistant, status: pending, owner: greta,
     grant_types: [authorization_code, refresh_token], token_endpoint_auth_method: none,
     redirect_uris: ["https://support.acme.example/callback"]}}
  - {{client_id: release-bot, client_name: Release bot, status: suspended, owner: hugo, environment: staging,
     grant_types: [client_credentials], token_endpoint_auth_method: client_secret_basic, client_secret: {SECRET}}}
  - {{client_id: build-runner, client_name: Build runner, status: approved, owner: hugo, environment: production,
     grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"], token_endpoint_auth_method: none}}
  - {{client_id: forecast-agent, client_name: Forecast agent, status: pending, owner: erin,
     grant_types: [client_credentials], token_endpoint_auth_method: client_secret_basic, client_secret: {SECRET}}}
trusted_issuers:
  - {{issuer: "https://login.acme.example", name: Acme single sign-on,
     jwks_uri: "https://login.acme.example/jwks", accepts: [id-jag, id_token],
     subjects: {{match: [sub], create: true}}}}
  - {{issuer: "https://ci.acme.example", name: Build system, jwks_uri: "https://ci.acme.example/jwks",
     accepts: [workload],
     workloads: [{{subject: "repo:acme/release:ref:refs/heads/main", client_id: build-runner}}]}}
resource_authorization_servers:
  - {{issuer: "https://auth.chat.example/", name: Chat, resources: [{{identifier: "https://mcp.chat.example/",
     scopes: [chat.read, chat.history]}}]}}
rules:
  - name: Engineers use agents on the wiki
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: [authorization_code, refresh_token]
    resources: ["{WIKI}"]
    scopes: ["pages:read", "pages:share", "pages:write"]
  - name: Support reads and answers tickets
    effect: allow
    clients: ["*"]
    groups: [support, engineering]
    grant_types: [authorization_code, refresh_token]
    resources: ["{TICKETS}"]
    scopes: ["tickets:read", "tickets:write"]
  - name: The nightly report reads
    effect: allow
    clients: [nightly-report]
    grant_types: [client_credentials]
    resources: ["{WIKI}", "{WAREHOUSE}"]
    scopes: ["pages:read", "query:run"]
    max_lifetime: 300
  - name: Invoices are matched by day
    effect: allow
    clients: [invoice-matcher]
    grant_types: [client_credentials]
    resources: ["{LEDGER}"]
    scopes: ["ledger:read", "ledger:book"]
    conditions: {{networks: ["10.20.0.0/16"]}}
  - name: Customer records need a review
    effect: require_approval
    clients: ["*"]
    groups: ["*"]
    grant_types: ["*"]
    resources: ["{CUSTOMERS}"]
    scopes: ["customers:read"]
    approvers: {{owner: true, roles: [approver], count: 1}}
  - name: No agent books money
    effect: deny
    clients: ["*"]
    groups: ["*"]
    grant_types: ["*"]
    resources: ["{LEDGER}"]
    scopes: ["ledger:book"]
  - name: Builds read tickets
    effect: allow
    clients: ["kind:workload"]
    grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    resources: ["{TICKETS}"]
    scopes: ["tickets:read"]
    max_lifetime: 300
cimd:
  trusted_hosts: [claude.ai, vscode.dev]
"""

# agent, person, MCP server, grant, scopes, how often a day
USES = (
    ("nightly-report", "", WIKI, "client_credentials", ["pages:read"], 48),
    ("nightly-report", "", WAREHOUSE, "client_credentials", ["query:run"], 24),
    ("invoice-matcher", "", LEDGER, "client_credentials", ["ledger:read"], 60),
    ("build-runner", "", TICKETS, "urn:ietf:params:oauth:grant-type:jwt-bearer", ["tickets:read"], 40),
    (CLAUDE, "erin", WIKI, "authorization_code", ["pages:read", "pages:write"], 30),
    (CLAUDE, "hugo", WIKI, "authorization_code", ["pages:read"], 44),
    (CLAUDE, "hugo", TICKETS, "authorization_code", ["tickets:read", "tickets:write"], 26),
    (CLAUDE, "alice", WIKI, "authorization_code", ["pages:read", "pages:share"], 12),
    (VSCODE, "erin", TICKETS, "authorization_code", ["tickets:read"], 22),
    (VSCODE, "charlie", TICKETS, "authorization_code", ["tickets:read", "tickets:write"], 18),
    ("desktop-app", "alice", TICKETS, "authorization_code", ["tickets:read"], 8),
    ("desktop-app", "greta", TICKETS, "authorization_code", ["tickets:read", "tickets:write"], 16),
)
REFUSED = (
    ("release-bot", "client_not_approved", WIKI, 4),
    ("invoice-matcher", "client_secret_wrong", LEDGER, 3),
    (VSCODE, "denied_by_policy", LEDGER, 2),
    (CLAUDE, "code_expired", WIKI, 1),
)
REASONS = (
    (CLAUDE, "hugo", "I compare the contract's dates with the renewal ticket of Northwind.", 25),
    ("support-assistant", "greta", "The assistant fills in addresses when a parcel comes back.", 190),
    (VSCODE, "erin", "", 1500),
)


def fill(now: datetime | None = None) -> None:
    now = now or datetime.now(UTC)
    people = {user.username: user for user in User.objects.all()}
    documents(now, people["bob"])
    approvals(now, people["bob"])
    rows = authorizations(now, people)
    AuditEvent.objects.bulk_create(events(now, rows, people), batch_size=1000)
    requests(now, people)
    for moment, user in enumerate(people.values()):
        User.objects.filter(pk=user.pk).update(last_login=now - timedelta(hours=3 * moment + 1))
    SavedView.objects.create(
        owner=people["dana"],
        name="Wrong secrets, this week",
        query="period=7d&reason=client_secret_wrong",
        is_shared=True,
    )
    WebhookEndpoint.objects.create(
        name="Security chat", url="https://hooks.chat.acme.example/gatehouse", events=["*"], secret=b"x",
        delivered=now - timedelta(minutes=12),
    )  # fmt: skip
    SigningKey.objects.update(published=now - timedelta(days=40), signs_from=now - timedelta(days=39))


def documents(now: datetime, approver: User) -> None:
    from cimd import metadata_document, policy
    from cimd.models import Document, DocumentVersion

    for url, name, redirects, ago in (
        (CLAUDE, "Claude Code", "http://localhost/callback http://127.0.0.1/callback", 26),
        (VSCODE, "Visual Studio Code", "http://127.0.0.1/ https://vscode.dev/redirect", 12),
    ):
        host = url.split("/")[2]
        agent = Client.objects.create(
            client_id=url, name=name, status="approved", registration_source="cimd", approved=now - timedelta(days=ago),
            grant_types=["authorization_code", "refresh_token"], redirect_uris=redirects, client_uri=f"https://{host}/",
            token_endpoint_auth_method="none",
        )  # fmt: skip
        given = {
            "client_id": url, "client_name": name, "redirect_uris": redirects.split(), "client_uri": f"https://{host}/",
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        }  # fmt: skip
        body = json.dumps(given).encode()
        read = metadata_document.validate(url, body, policy.terms(host)).metadata
        assert read is not None
        document = Document.objects.create(
            url=url, host=host, origin=f"https://{host}", client=agent, approval="host", fetched=now.timestamp() - 900,
            fresh_until=now.timestamp() + 3600,
        )  # fmt: skip
        document.current = DocumentVersion.objects.create(
            document=document, digest=host.ljust(64, "0"), body=body, address="203.0.113.9",
            fetched=now - timedelta(days=ago), metadata=asdict(read), changes=[],
        )  # fmt: skip
        document.save()


def approvals(now: datetime, approver: User) -> None:
    approved = Client.objects.filter(status="approved").exclude(registration_source="cimd")
    for number, client in enumerate(approved.order_by("pk")):
        Client.objects.filter(pk=client.pk).update(
            created=now - timedelta(days=61),
            approved=now - timedelta(days=60),
            approved_by=approver,
            approved_until=now + timedelta(days=9 + 60 * number),
        )


def rule_of(agent: str, server: str) -> str:
    """The rule of the configuration that allows it."""
    by_agent = {
        "nightly-report": "The nightly report reads",
        "invoice-matcher": "Invoices are matched by day",
        "build-runner": "Builds read tickets",
    }
    by_server = {WIKI: "Engineers use agents on the wiki", TICKETS: "Support reads and answers tickets"}
    return by_agent.get(agent) or by_server[server]


def authorizations(now: datetime, people: dict[str, User]) -> list[tuple[Authorization, int]]:
    servers = {row.identifier: row for row in ProtectedResource.objects.all()}
    clients = {row.client_id: row for row in Client.objects.all()}
    return [
        (
            Authorization.objects.create(
                client=clients[agent], user=people.get(who), resource=servers[server], grant_type=grant, scopes=scopes,
                created=now - timedelta(days=20, hours=number), lineage={"rules": [rule_of(agent, server)]},
            ),
            often,
        )
        for number, (agent, who, server, grant, scopes, often) in enumerate(USES)
    ]  # fmt: skip


def events(now: datetime, rows: list[tuple[Authorization, int]], people: dict[str, User]) -> list[AuditEvent]:
    chance = random.Random(11)
    found = [*_issued(now, rows, chance), *_refused(now, chance), *_signed_in(now, people, chance)]
    return sorted(found, key=lambda event: event.time)


def _busy(moment: datetime) -> float:
    """How much of its usual an office does in this hour."""
    by_day = 0.15 + 0.85 * max(0.0, math.sin((moment.hour - 6) / 13 * math.pi)) if 6 <= moment.hour <= 19 else 0.15
    return by_day * (0.25 if moment.weekday() >= 5 else 1.0)


def _moments(now: datetime, often: float, chance: random.Random, *, steady: bool) -> Iterator[datetime]:
    for hours in range(30 * 24):
        begin = now - timedelta(hours=hours + 1)
        expected = often / 24 if steady else often / 12 * _busy(begin)
        for _ in range(int(expected) + (chance.random() < expected % 1)):
            yield begin + timedelta(seconds=chance.randrange(3600))


def _issued(now: datetime, rows: list[tuple[Authorization, int]], chance: random.Random) -> Iterator[AuditEvent]:
    for row, often in rows:
        first = True
        for moment in _moments(now, often, chance, steady=row.user is None):
            grant = "refresh_token" if row.grant_type == "authorization_code" and not first else row.grant_type
            first = False
            assert row.resource is not None
            yield AuditEvent(
                time=moment, event=audit.Event.TOKEN_ISSUED, client_id=row.client.client_id,
                subject=str(row.user.subject) if row.user else "", resource=row.resource.identifier,
                authorization=str(row.pk), address=f"10.20.{chance.randrange(4)}.{chance.randrange(2, 250)}",
                request_id=f"{chance.getrandbits(48):012x}",
                detail={
                    "grant_type": grant, "scope": " ".join(row.scopes), "lifetime": row.resource.access_token_lifetime,
                    "jti": f"{chance.getrandbits(64):016x}", "rules": row.lineage["rules"], "effect": "allow",
                },
            )  # fmt: skip


def _refused(now: datetime, chance: random.Random) -> Iterator[AuditEvent]:
    for agent, reason, server, often in REFUSED:
        for moment in _moments(now, often, chance, steady=True):
            yield AuditEvent(
                time=moment, event=audit.Event.TOKEN_REFUSED, reason=reason, client_id=agent, resource=server,
                address=f"10.20.9.{chance.randrange(2, 250)}", detail={"grant_type": "client_credentials"},
            )  # fmt: skip


def _signed_in(now: datetime, people: dict[str, User], chance: random.Random) -> Iterator[AuditEvent]:
    for user in people.values():
        for moment in _moments(now, 2, chance, steady=False):
            yield AuditEvent(
                time=moment, event=audit.Event.SIGNED_IN, subject=str(user.subject),
                address=f"10.20.1.{chance.randrange(2, 250)}", detail={"username": user.username},
            )  # fmt: skip


def requests(now: datetime, people: dict[str, User]) -> None:
    def row(agent: str, who: str, reason: str, minutes: int, **answer: object) -> None:
        asked = now - timedelta(minutes=minutes)
        AccessRequest.objects.create(
            digest=f"{agent}{who}{minutes}"[:64], client=Client.objects.get(client_id=agent), user=people[who],
            resource=CUSTOMERS, grant_type="authorization_code", scopes=["customers:read"], reason=reason,
            context={"rules": ["Customer records need a review"], "address": "10.20.1.44"},
            first_asked=asked, last_asked=asked, **answer,
        )  # fmt: skip

    for agent, who, reason, minutes in REASONS:
        row(agent, who, reason, minutes)
    for number, who in enumerate(("hugo", "charlie", "greta")):
        decided = now - timedelta(days=number + 2)
        row(
            CLAUDE, who, "For the quarterly review of contracts.", 60 * 24 * (number + 2) + 40, decided=decided,
            status="denied" if who == "charlie" else "approved", decided_by=people["bob"],
            comment="Ask for the export instead." if who == "charlie" else "For the review only.",
            approved_scopes=[] if who == "charlie" else ["customers:read"], expires=decided + timedelta(days=1),
        )  # fmt: skip
