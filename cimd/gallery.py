"""Known apps that introduce themselves by a metadata document, and how a person connects each to an MCP server. Pure.

A document's URL stands here only where its publisher's own program, documents or several servers name it. What an app
really publishes is for **Inspect** to say.
"""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Step:
    """What a person does: words, and what is copied, if anything."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """The MCP server that the app is connected to: its address, and a short name for files and commands."""

    url: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """`url` is its document's, "" where it has several (below `prefix`) or none. `host` is what trusting it trusts."""

    key: str
    name: str
    letters: str
    text: str
    host: str
    url: str = ""
    prefix: str = ""
    note: str = ""
    steps: Callable[[Server], Sequence[Step]]


def short_name(name: str) -> str:
    """A server's name as programs take it: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "server"


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def _claude(server: Server) -> Sequence[Step]:
    return (
        Step("Settings → Connectors → Add custom connector. For a whole organisation, its owner adds it."),
        Step("The connector’s URL:", server.url),
        Step("Connect. Claude leads to the sign-in here, and to the consent."),
    )


def _claude_code(server: Server) -> Sequence[Step]:
    return (
        Step("In a terminal:", f"claude mcp add --transport http {server.name} {shlex.quote(server.url)}"),
        Step("In Claude Code, choose the server and Authenticate:", "/mcp"),
    )


def _vs_code(server: Server) -> Sequence[Step]:
    return (
        Step(
            "In .vscode/mcp.json of the workspace:",
            _json({"servers": {server.name: {"type": "http", "url": server.url}}}),
        ),
        Step("Start the server above its line, and allow it to sign in."),
    )


def _chatgpt(server: Server) -> Sequence[Step]:
    return (
        Step("Settings → Apps & Connectors → Create. It may need the developer mode, which administrators allow."),
        Step("MCP server URL:", server.url),
        Step("Authentication: OAuth. Create, and connect."),
    )


def _codex(server: Server) -> Sequence[Step]:
    return (
        Step("In a terminal:", f"codex mcp add {server.name} --url {shlex.quote(server.url)}"),
        Step("Sign in:", f"codex mcp login {server.name}"),
    )


def _cursor(server: Server) -> Sequence[Step]:
    return (
        Step(
            "Add it here as an agent: an app that people sign in to, on people’s computers. Its redirect URI on the"
            " desktop:",
            "http://localhost:8787/callback",
        ),
        Step(
            "And that of its agents on the web, if you use them:",
            "https://www.cursor.com/agents/mcp/oauth/callback",
        ),
        Step(
            "In ~/.cursor/mcp.json, with the client_id of that agent:",
            _json({"mcpServers": {server.name: {"url": server.url, "auth": {"CLIENT_ID": "CLIENT_ID"}}}}),
        ),
        Step("Cursor settings → MCP: connect the server."),
    )


def _zed(server: Server) -> Sequence[Step]:
    return (
        Step("In Zed’s settings.json:", _json({"context_servers": {server.name: {"url": server.url}}})),
        Step("Agent panel → settings: the server asks to sign in."),
    )


def _opencode(server: Server) -> Sequence[Step]:
    return (
        Step("In opencode.json:", _json({"mcp": {server.name: {"type": "remote", "url": server.url}}})),
        Step("Sign in:", f"opencode mcp auth {server.name}"),
    )


APPS: Final = (
    App(
        key="claude",
        name="Claude",
        letters="C",
        text="On the web, at the desk and on phones. People’s requests come from Anthropic’s servers.",
        host="claude.ai",
        url="https://claude.ai/oauth/mcp-oauth-client-metadata",
        steps=_claude,
    ),
    App(
        key="claude-code",
        name="Claude Code",
        letters="CC",
        text="A program in the terminal. It answers on the person’s own computer.",
        host="claude.ai",
        url="https://claude.ai/oauth/claude-code-client-metadata",
        steps=_claude_code,
    ),
    App(
        key="vs-code",
        name="VS Code",
        letters="VS",
        text="GitHub Copilot in Visual Studio Code. It answers on the person’s own computer, or at vscode.dev.",
        host="vscode.dev",
        url="https://vscode.dev/oauth/client-metadata.json",
        steps=_vs_code,
    ),
    App(
        key="cursor",
        name="Cursor",
        letters="Cu",
        text="An editor with an agent. We know of no metadata document that it publishes.",
        host="",
        note="It registers itself where a server allows that, or takes a client_id that you give it.",
        steps=_cursor,
    ),
    App(
        key="chatgpt",
        name="ChatGPT",
        letters="GPT",
        text="On the web, at the desk and on phones. People’s requests come from OpenAI’s servers.",
        host="chatgpt.com",
        url="https://chatgpt.com/oauth/client.json",
        steps=_chatgpt,
    ),
    App(
        key="codex",
        name="Codex",
        letters="Cx",
        text="OpenAI’s program in the terminal. It answers on the person’s own computer.",
        host="chatgpt.com",
        prefix="https://chatgpt.com/oauth/codex/",
        note="It has a document for each MCP server, so its first request says which URL is its own.",
        steps=_codex,
    ),
    App(
        key="zed",
        name="Zed",
        letters="Z",
        text="An editor with an agent. It answers on the person’s own computer.",
        host="zed.dev",
        url="https://zed.dev/oauth/client-metadata.json",
        steps=_zed,
    ),
    App(
        key="opencode",
        name="opencode",
        letters="oc",
        text="A program in the terminal. It answers on the person’s own computer.",
        host="opencode.ai",
        url="https://opencode.ai/oauth/opencode/client.json",
        steps=_opencode,
    ),
)


def named(key: str) -> App | None:
    return next((app for app in APPS if app.key == key), None)
