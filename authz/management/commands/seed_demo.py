import os
from typing import Any

from django.core.management.base import BaseCommand

from authz.conf import conf
from authz.configuration import apply
from authz.models import User

ALICE = "alice-password"
SECRET = "demo-only-secret-0123456789-0123456789"  # noqa: S105  the demo's, printed on the terminal
RESOURCE = "http://127.0.0.1:9200/mcp"

DEMO = f"""
users:
  - {{username: alice, password: {ALICE}, email: alice@example.com, groups: [engineering], role: administrator}}
  - {{username: bob, email: bob@example.com, groups: [engineering]}}
clients:
  - client_id: nightly-report
    client_name: Nightly report
    status: approved
    owner: alice
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
  - client_id: notes-server
    client_name: Notes MCP server
    status: approved
    owner: alice
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: notes-server-{SECRET}
resources:
  - identifier: {RESOURCE}
    name: Notes
    default: true
    introspection_clients: [notes-server]
    scopes:
      - {{name: "mcp:read", description: Read your notes}}
      - {{name: "mcp:write", description: Change and delete your notes, sensitivity: high}}
rules:
  - name: The nightly report may read Notes
    effect: allow
    clients: [nightly-report]
    grant_types: [client_credentials]
    resources: ["{RESOURCE}"]
    scopes: ["mcp:read"]
    max_lifetime: 600
  - name: Engineers may use approved agents on Notes
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: ["*"]
    resources: ["{RESOURCE}"]
    scopes: ["mcp:read", "mcp:write"]
"""


class Command(BaseCommand):
    help = "Add a small demo: two people, one MCP server, one agent and their rules. It changes nothing else."

    def handle(self, *args: Any, **options: Any) -> None:
        # Only into an empty server: a second `make run` must not undo later changes.
        if not User.objects.exists():
            apply(DEMO)
        port = os.environ.get("PORT", "8000")
        self.stdout.write(
            f"""
  Gatehouse

  Issuer    {conf.issuer}
  Console   {conf.origin}/console/
  Account   alice / {ALICE}

  Get a token (in another terminal):

    curl -u nightly-report:{SECRET} -d grant_type=client_credentials {conf.endpoint("token")}

  The demo's passwords are public: serve it on 127.0.0.1:{port} only. Ctrl-C stops it.
"""
        )
