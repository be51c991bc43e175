"""A real MCP client and real MCP servers that ask before each call: held, approved in the console, made once; and the
whole story is in the audit, proven offline.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from authz.console.widgets import snippets
from authz.protocol.resources import metadata_address
from demo import environments
from demo.browser import Person
from demo.gatehouse import Gatehouse
from demo.processes import ROOT, Server, environment, free_port
from tests.support import databases
from tests.support.world import CHALLENGE, VERIFIER

SECRET = "pay-server-secret-0123456789-0123456789-0123456789"
REDIRECT = "http://127.0.0.1:3339/callback"
CONFIGURATION = """
users:
  - {{username: bob, password: bob-password, groups: [staff]}}
  - {{username: olga, password: olga-password, role: administrator}}
clients:
  - {{client_id: assistant, client_name: Assistant, status: approved, grant_types: [authorization_code],
     token_endpoint_auth_method: none, redirect_uris: ["{redirect}"]}}
  - {{client_id: pay-server, status: approved, grant_types: [client_credentials], client_secret: {secret}}}
resources:
  - identifier: "{server}"
    name: Payments
    decision_clients: [pay-server]
    shown_arguments: [to, amount]
    scopes: [{{name: pay}}]
    tools: [{{name: pay_out, labels: [pii]}}, {{name: hello}}]
rules:
  - {{name: Staff use Payments, effect: allow, clients: ["*"], groups: [staff], grant_types: [authorization_code],
     resources: ["{server}"], scopes: [pay]}}
  - {{name: No personal data without review, effect: require_approval, clients: ["*"], groups: ["*"],
     resources: ["{server}"], scopes: ["*"], labels: [pii]}}
"""
PAY: list[Any] = ["pay_out", {"to": "DE12", "amount": 250, "note": "canary-5d0c"}]
PAGE = re.compile(r"http://\S+/account/requests/([0-9a-f-]{36})")
DECISIONS = {"Python: fastmcp": "decide_with_fastmcp", "Python: the official SDK": "decide_with_python_sdk"}
TOOL = '''
def pay_out(to: str, amount: float, note: str = "") -> str:
    """Pay."""
    return f"paid {amount:g} to {to}"

'''


def protected(title: str, values: snippets.Values) -> str:
    """The program of “Protect your server”, with a tool that pays, and decisions."""
    [code] = [snippet.code for snippet in snippets.protect(values) if snippet.title == title]
    decisions = f'Decisions("{values.issuer}", "pay-server", "{SECRET}", seconds=60)'
    if title == "Python: fastmcp":
        mark, add = "@mcp.tool\n", f"mcp.add_middleware({decisions})\n\n"
    else:
        mark, add = "@mcp.tool()\n", ""
        code = code.replace("auth=auth)", f"auth=auth, middleware=[{decisions}])")
    code = code.replace(mark, f"{add}{mark}{TOOL.lstrip()}\n{mark}", 1)
    return f"from {DECISIONS[title]} import Decisions\n{code}"


@dataclass(frozen=True, slots=True)
class Running:
    gatehouse: Gatehouse
    identifier: str
    token: str

    def call(self, *calls: list[Any], elicits: bool = False) -> list[dict[str, Any]]:
        asked = {"url": self.identifier, "token": self.token, "calls": calls, "elicits": elicits}
        program = [str(environments.python("mcp2")), str(Path(__file__).with_name("calling_client.py"))]
        done = subprocess.run(
            program,
            input=json.dumps(asked),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return found

    def approve(self, request: str) -> None:
        """Olga decides in the console."""
        olga, path = Person("olga", "olga-password"), f"/console/authz/accessrequest/{request}/decide/"
        page = olga.session.get(f"{self.gatehouse.origin}/console/login/", timeout=60)
        sign_in = hidden(page.text) | {"login": "olga", "password": "olga-password"}
        olga.session.post(page.url, data=sign_in, headers={"Referer": page.url}, timeout=60)
        page = olga.session.get(self.gatehouse.origin + path, timeout=60)
        assert "pay_out" in page.text and "DE12" in page.text and "canary" not in page.text, page.text
        form = hidden(page.text) | {"lasts": "once", "comment": "", "decision": "approve"}
        told = olga.session.post(page.url, data=form, headers={"Referer": page.url}, timeout=60)
        assert "Approved, for one call" in told.text, told.text


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))


@pytest.fixture(scope="module", params=DECISIONS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory, port = tmp_path_factory.mktemp("decided"), free_port()
    identifier = f"http://127.0.0.1:{port}/mcp"
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": "2"}) as gatehouse:
        gatehouse.apply(CONFIGURATION.format(secret=SECRET, server=identifier, redirect=REDIRECT))
        values = snippets.Values(
            issuer=gatehouse.issuer, jwks_uri=f"{gatehouse.issuer}/jwks", identifier=identifier, algorithm="RS256",
            scopes=["pay"],
        )  # fmt: skip
        name = DECISIONS[request.param]
        (directory / f"{name}.py").write_text((ROOT / "examples" / f"{name}.py").read_text())
        (directory / "server.py").write_text(protected(request.param, values))
        server = Server(
            name="server",
            command=[str(environments.python("mcp2")), "server.py"],
            ready=metadata_address(identifier),
            log=directory / "server.log",
            env=environment(),
            cwd=directory,
        )
        with server:
            yield Running(gatehouse, identifier, token_of_bob(gatehouse, identifier))


def token_of_bob(gatehouse: Gatehouse, resource: str) -> str:
    bob = Person("bob", "bob-password")
    asked = f"response_type=code&client_id=assistant&redirect_uri={REDIRECT}&scope=pay&resource={resource}&state=x"
    pkce = f"code_challenge={CHALLENGE}&code_challenge_method=S256"
    code = re.search(r"code=([^&]+)", bob.authorize(f"{gatehouse.issuer}/authorize?{asked}&{pkce}"))
    assert code is not None
    form = {"grant_type": "authorization_code", "client_id": "assistant", "code": code[1], "redirect_uri": REDIRECT}
    answer = bob.session.post(f"{gatehouse.issuer}/token", data=form | {"code_verifier": VERIFIER}, timeout=60)
    return str(answer.json()["access_token"])


def test_held_approved_made_once_and_proven(running: Running, tmp_path: Path) -> None:
    said, held = running.call(["hello", {}], PAY)
    assert said == {"answer": "Hello"}
    found = PAGE.search(held["refused"])
    assert found is not None, held
    assert "ask a person about this call first" in held["refused"]
    # A client that can show a URL gets it as one.
    [shown] = running.call(PAY, elicits=True)
    if shown.get("data"):
        assert shown["data"]["elicitations"][0]["url"].endswith(found[1])
    running.approve(found[1])
    other = ["pay_out", {**PAY[1], "amount": 251}]
    came = running.call(other, PAY, PAY)
    assert "refused" in came[0] and came[1] == {"answer": "paid 250 to DE12"} and "refused" in came[2], came
    story = running.gatehouse.manage("shell", "-v0", "-c", EVENTS)
    events = json.loads(story.splitlines()[-1])
    assert "canary" not in story
    [made] = [e for e in events if e["event"] == "access:call:allowed" and e["detail"].get("approvals")]
    assert made["detail"]["approvals"] == [found[1]]
    assert made["detail"]["shown"] == {"to": "DE12", "amount": 250}
    kinds = {e["event"] for e in events if e["detail"].get("request") == found[1]}
    assert kinds == {"policy:access_request:opened", "policy:access_request:approved"}
    assert proven_offline(running.gatehouse, made["id"], tmp_path)
    # Without a decision no call is made: the server's own client is suspended.
    running.gatehouse.manage("agents", "suspend", "pay-server", "--by", "olga")
    [unasked] = running.call(["hello", {}])
    assert "There is no decision on this call" in unasked["refused"]


EVENTS = (
    "import json; from authz.models import AuditEvent as E;"
    " print(json.dumps(list(E.objects.order_by('id').values('id', 'event', 'detail'))))"
)


def proven_offline(gatehouse: Gatehouse, event: int, folder: Path) -> bool:
    gatehouse.manage("audit", "seal")
    key = gatehouse.manage("audit", "keys").split()[0]
    (folder / "proof.json").write_text(gatehouse.manage("audit", "proof", str(event)))
    verifier = [sys.executable, str(ROOT / "tools/verify_audit_proof.py"), str(folder / "proof.json"), "--key", key]
    done = subprocess.run(verifier, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0


def test_the_middlewares_are_short() -> None:
    for name in DECISIONS.values():
        assert len((ROOT / "examples" / f"{name}.py").read_text().splitlines()) <= 60
