"""The voice of `make demo`: numbered steps, each request as it goes over the wire, and what tokens say."""

import base64
import json
import sys
import textwrap
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import httpx2

WIDTH = 120
SECRET = {"client_secret", "password", "code_verifier"}  # never shown, not even the beginning
LONG = {"access_token", "refresh_token", "id_token", "client_assertion", "assertion", "subject_token", "code", "state"}
COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


class DemoFailed(Exception):
    """Something did not happen that this demo promises."""


@dataclass(slots=True)
class Narrator:
    step_number: int = 0
    colour: bool = sys.stdout.isatty()

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.colour else text

    def write(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def step(self, title: str, why: str = "") -> None:
        self.step_number += 1
        self.write()
        self.write(self.paint(f"── {self.step_number}. {title} ".ljust(WIDTH, "─"), "bold"))
        for line in textwrap.wrap(why, WIDTH - 3):
            self.write("   " + self.paint(line, "dim"))

    def say(self, who: str, what: str) -> None:
        head, *rest = textwrap.wrap(what, WIDTH - 22, break_on_hyphens=False) or [""]
        self.write(f"   {self.paint(who.ljust(16), 'cyan')} {head}")
        for line in rest:
            self.write(" " * 22 + line)

    def expect(self, truth: object, sentence: str) -> None:
        """A promise of the demo: said aloud when kept, the end of the demo when not."""
        if not truth:
            self.fail(sentence)
        self.write(f"   {self.paint('✓', 'green')} {sentence}")

    def fail(self, sentence: str) -> NoReturn:
        """Raises `DemoFailed`."""
        self.write(f"   {self.paint('✗', 'red')} {sentence}")
        raise DemoFailed(sentence)

    def token(self, jwt: str, name: str = "access token") -> dict[str, Any]:
        """Show a JWT's header and claims, and hand back the claims."""
        header, claims = (_decoded(part) for part in jwt.split(".")[:2])
        self.write(f"   {self.paint(f'the {name} says', 'cyan')}")
        for line in json.dumps(header).splitlines() + json.dumps(claims, indent=2).splitlines()[1:-1]:
            self.write("      " + self.paint(line, "dim"))
        return claims

    def exchange(self, who: str, response: httpx2.Response) -> None:
        """One HTTP request and its response, secrets left out."""
        request = response.request
        if message := _mcp_message(request):
            token = "with a token" if "authorization" in request.headers else "without a token"
            self.say(who, f"→ {request.url} {message}, {token}")
            self.say("", f"← {response.status_code} {_challenge(response)}")
            return
        self.say(who, f"→ {request.method} {request.url}")
        for line in _sent(request):
            self.say("", "    " + line)
        self.say("", f"← {response.status_code} {_received(response)}")


def _decoded(part: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


def shown(name: str, value: Any) -> str:
    if name in SECRET:
        return f"{name}=•••"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{name}={text[:14]}…" if name in LONG else f"{name}={text}"


def _sent(request: httpx2.Request) -> list[str]:
    lines = []
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        client_id = base64.b64decode(credentials).decode().partition(":")[0]
        lines.append(f"Authorization: Basic {client_id}:•••")
    elif scheme:
        lines.append(f"Authorization: {scheme} {credentials[:14]}…")
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        lines += [shown(name, value) for name, value in parse_qsl(request.content.decode())]
    return lines


def _mcp_message(request: httpx2.Request) -> str:
    """The MCP method that a request carries, and the tool it names; "" for other requests."""
    if request.headers.get("content-type") != "application/json":
        return ""
    message = json.loads(request.content)
    return " ".join(filter(None, [message.get("method"), message.get("params", {}).get("name")]))


def _challenge(response: httpx2.Response) -> str:
    return str(response.headers.get("www-authenticate", ""))


def _received(response: httpx2.Response) -> str:
    kind = response.headers.get("content-type", "")
    path = urlsplit(str(response.request.url)).path
    if not kind.startswith("application/json"):
        return kind
    document = response.json()
    if "/.well-known/" in path:
        return "  ".join(
            shown(name, document[name]) for name in ("resource", "authorization_servers", "issuer") if name in document
        )
    return "  ".join(shown(name, value) for name, value in document.items())
