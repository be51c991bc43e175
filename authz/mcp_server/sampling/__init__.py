"""An auditor asks a question in words, and the client's own model reads the audit for it (MCP 2025-11-25, SEP-1577).

`sessions.py` says which clients can; `conversation.py`, `statements.py` and `data.py` are the rules (pure);
`questions.py` asks the client over the stream that answers its call, and `answers.py` keeps what the client posts, on
any node, until it is read (docs/decisions/0102-a-clients-model-reads-the-audit.md).
"""

from authz.mcp_server.sampling.answers import taken
from authz.mcp_server.sampling.questions import response
from authz.mcp_server.sampling.sessions import HEADER, issued, session_of
from authz.mcp_server.sampling.tool import TOOL, is_asked, is_offered

__all__ = ["HEADER", "TOOL", "is_asked", "is_offered", "issued", "response", "session_of", "taken"]
