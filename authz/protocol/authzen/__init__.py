"""OpenID AuthZEN Authorization API 1.0: its information model, read strictly (pure).

The profiles are drafts; `VERSIONS` names the texts that this code follows.
"""

from authz.protocol.authzen.information_model import (
    Action,
    Batch,
    Entity,
    Evaluation,
    MalformedError,
    Search,
    Semantic,
    evaluation,
    evaluations,
    search,
)

VERSIONS = {
    "Authorization API": "1.0 (final)",
    "COAZ framework and MCP binding": "drafts of 2026-08-20",
    "Access Request and Approval Profile": "draft of 2026-08-20",
}

__all__ = [
    "VERSIONS",
    "Action",
    "Batch",
    "Entity",
    "Evaluation",
    "MalformedError",
    "Search",
    "Semantic",
    "evaluation",
    "evaluations",
    "search",
]
