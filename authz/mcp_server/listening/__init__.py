"""`subscriptions/listen` (2026-07-28): a stream of what becomes of a client's tasks, instead of polling.

`subscription.py` reads what is asked for and answers it; `streams.py` has those that are open, their bounds, and the
thread that looks for news (docs/decisions/0112-streams-of-tasks-hold-no-thread.md).
"""

from authz.mcp_server.listening.subscription import is_asked, response

__all__ = ["is_asked", "response"]
