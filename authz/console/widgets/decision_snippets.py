"""Code to copy for an MCP server that asks before each call of a tool, or checks proofs of possession: the files of
`examples/`, and their lines.
"""

from dataclasses import dataclass
from functools import cache

from django.conf import settings

from authz.console.widgets.agent_snippets import SECRET_PLACE
from authz.console.widgets.snippets import Values

# Stands for the client that asks, until the MCP server names one.
CLIENT_PLACE = "YOUR_CLIENT_ID"


@dataclass(frozen=True, slots=True)
class Middleware:
    """`code` goes into a file of that `name` beside the server's, and `lines` into the server's program."""

    title: str
    name: str
    code: str
    lines: str


def deciding(values: Values, client_id: str) -> list[Middleware]:
    """One for each SDK that has a middleware. `client_id`: who asks; "" if no client may yet."""
    arguments = f'"{values.issuer}", "{client_id or CLIENT_PLACE}", "{SECRET_PLACE}"'
    fastmcp = f"mcp.add_middleware(Decisions({arguments}))"
    decisions = f"decisions = Decisions({arguments})\n"
    sdk = f'{decisions}mcp = MCPServer("My server", token_verifier=Verifier(), auth=auth, middleware=[decisions])'
    return [
        _middleware("Python: fastmcp", "decide_with_fastmcp", fastmcp),
        _middleware("Python: the official SDK", "decide_with_python_sdk", sdk),
    ]


def checking_proofs(values: Values) -> str:
    """The check of a bound token's proof (RFC 9449), with the address of the MCP server."""
    return _file("check_dpop_proof.py").replace("https://payroll.example.com/mcp", values.identifier)


def _middleware(title: str, module: str, lines: str) -> Middleware:
    return Middleware(title, f"{module}.py", _file(f"{module}.py"), f"from {module} import Decisions\n\n{lines}\n")


@cache
def _file(name: str) -> str:
    # Beside the packages in the repository; the wheel has the folder inside of authz (pyproject.toml).
    base = settings.BASE_DIR / "authz" if settings.IS_INSTALLED else settings.BASE_DIR
    return str((base / "examples" / name).read_text(encoding="utf-8"))
