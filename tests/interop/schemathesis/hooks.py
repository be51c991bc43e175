"""What schemathesis is told beyond the description. It runs in an environment of its own (.venv-schemathesis)."""

import itertools
import os
from typing import Any

import schemathesis

# Many callers: each has a limit of requests a minute.
TOKENS = itertools.cycle(os.environ["TOKENS"].split(","))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {next(TOKENS)}"}


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    # > An origin server that receives a request method that is … not implemented SHOULD respond with the 501 (RFC 9110
    # > §9.1) The tool expects 405 for TRACE.
    return str(case.method).upper() != "TRACE"


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """A cursor is what the server gave: no other text is one."""
    return {name: value for name, value in query.items() if name != "cursor"} if query else query


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    # It would end what the other requests are made with.
    return not (isinstance(body, dict) and body.get("kind") == "everything")
