"""Lines to copy that connect an agent: its first token, its environment, with its real values (pure)."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from authz.console.widgets.snippets import Snippet

CLIENT_CREDENTIALS, AUTHORIZATION_CODE = "client_credentials", "authorization_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_BEARER_AUTH = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Stands for a secret that is not shown again.
SECRET_PLACE = "YOUR_CLIENT_SECRET"  # noqa: S105  not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent's values. `server` is an MCP server's identifier or "". `secret` is "" where it is not shown."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    client_id: str
    method: str
    grants: Sequence[str]
    redirect_uri: str = ""
    server: str = ""
    secret: str = ""


def connect(agent: Agent) -> list[Snippet]:
    """What the author of an agent copies."""
    return [*_first_token(agent), Snippet("Environment", ".env", _environment(agent))]


def _first_token(agent: Agent) -> Iterator[Snippet]:
    if CLIENT_CREDENTIALS in agent.grants and agent.method == "private_key_jwt":
        yield Snippet("First token", "pip install pyjwt[crypto] requests", _by_key(agent))
    elif CLIENT_CREDENTIALS in agent.grants:
        yield Snippet("First token", "curl", _curl(agent, {"grant_type": CLIENT_CREDENTIALS}))
    elif JWT_BEARER in agent.grants:
        yield Snippet("First token: Kubernetes", "curl in the pod", _by_file(agent))
        yield Snippet("First token: GitHub Actions", "a step with permissions: id-token: write", _by_workflow(agent))


def _curl(agent: Agent, form: dict[str, str]) -> str:
    form = form | ({"resource": agent.server} if agent.server else {})
    lines = [f"curl {shlex.quote(agent.token_endpoint)}"]
    if agent.method == "client_secret_basic":
        lines.append(f"-u {shlex.quote(f'{agent.client_id}:{agent.secret or SECRET_PLACE}')}")
    else:
        form = {"client_id": agent.client_id} | form
    if agent.method == "client_secret_post":
        form |= {"client_secret": agent.secret or SECRET_PLACE}
    lines += [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in form.items()]
    return " \\\n  ".join(lines)


def _by_file(agent: Agent) -> str:
    """`@` lets curl read the value from the file (a projected service account token)."""
    curl = _curl(agent, {"grant_type": JWT_BEARER})
    return f"{curl} \\\n  --data-urlencode assertion@/var/run/secrets/tokens/gatehouse"


def _by_workflow(agent: Agent) -> str:
    asked = shlex.quote(f"audience={agent.issuer}")
    return (
        'ASSERTION=$(curl -sS -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \\\n'
        f'  -G --data-urlencode {asked} "$ACTIONS_ID_TOKEN_REQUEST_URL" | jq -r .value)\n'
        f'{_curl(agent, {"grant_type": JWT_BEARER})} \\\n  --data-urlencode "assertion=$ASSERTION"'
    )


def _by_key(agent: Agent) -> str:
    """A script that signs a client assertion (RFC 7523 §3) with the private key that the browser saved."""
    form = {"grant_type": CLIENT_CREDENTIALS} | ({"resource": agent.server} if agent.server else {})
    form |= {"client_assertion_type": JWT_BEARER_AUTH}
    return f"""\
import json
import sys
import time
import uuid

import jwt
import requests

key = json.load(open(sys.argv[1]))  # the file with the private key
now = int(time.time())
claims = {{"iss": {_text(agent.client_id)}, "sub": {_text(agent.client_id)}, "aud": {_text(agent.issuer)},
          "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}}
assertion = jwt.encode(claims, jwt.PyJWK(key).key, key["alg"], {{"kid": key["kid"]}})
form = {json.dumps(form)}
answer = requests.post({_text(agent.token_endpoint)}, form | {{"client_assertion": assertion}}, timeout=20)
print(answer.text)
"""


def _text(value: str) -> str:
    """A string that is written the same in Python and JSON."""
    return json.dumps(value)


def _environment(agent: Agent) -> str:
    values = {
        "OAUTH_ISSUER": agent.issuer,
        "OAUTH_AUTHORIZATION_ENDPOINT": agent.authorization_endpoint if AUTHORIZATION_CODE in agent.grants else "",
        "OAUTH_TOKEN_ENDPOINT": agent.token_endpoint,
        "OAUTH_CLIENT_ID": agent.client_id,
        "OAUTH_CLIENT_SECRET": agent.secret or (SECRET_PLACE if agent.method.startswith("client_secret_") else ""),
        "OAUTH_REDIRECT_URI": agent.redirect_uri,
        "MCP_SERVER_URL": agent.server,
    }
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items() if value)
