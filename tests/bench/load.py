"""One run of wrk against one address, and what it says."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "16"))


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests a second, and the median and 99th percentile of latency in milliseconds; `failed` are not 2xx or 3xx, or
    had no answer.
    """

    per_second: float
    p50: float
    p99: float
    failed: int


def run(url: str, script: str, *, seconds: int) -> Figures:
    """Load `url` for some seconds with a Lua script; it stops by itself."""
    if not url.startswith("http://127.0.0.1:"):
        raise ValueError("load only ever goes to this machine")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.lua"
        path.write_text(script)
        command = ["wrk", f"-c{CONNECTIONS}", "-t1", f"-d{seconds}s", "--latency", "-s", str(path), url]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    unanswered = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return Figures(
        per_second=float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        p50=_milliseconds(_found(r"\n\s+50%\s+(\S+)", output)),
        p99=_milliseconds(_found(r"\n\s+99%\s+(\S+)", output)),
        failed=sum(int(count) for found in (refused, unanswered) if found for count in found.groups()),
    )


def _found(pattern: str, output: str) -> str:
    match = re.search(pattern, output)
    if match is None:
        raise RuntimeError(f"wrk said something else:\n{output}")
    return match.group(1)


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise RuntimeError(f"not a duration: {text}")


def post_json(body: Mapping[str, object], *, basic: str) -> str:
    """A script that posts one JSON object again and again."""
    written = json.dumps(body).replace("\\", "\\\\").replace('"', '\\"')
    return post(written, basic=basic, kind="application/json")


def post(body: str, *, basic: str | None = None, kind: str = "application/x-www-form-urlencoded") -> str:
    """A script that posts one form again and again."""
    authorization = f'wrk.headers["Authorization"] = "{basic}"' if basic else ""
    return f"""
wrk.method = "POST"
wrk.body = "{body}"
wrk.headers["Content-Type"] = "{kind}"
{authorization}
"""


def post_each(bodies: Path, *, basic: str | None = None) -> str:
    """A script that posts each line of a file once, from the first on."""
    return (
        post("", basic=basic)
        + f"""
local bodies, at = {{}}, 0
for line in io.lines("{bodies}") do bodies[#bodies + 1] = line end
function request()
  at = at + 1
  if at > #bodies then wrk.thread:stop() end
  return wrk.format(nil, nil, nil, bodies[at] or "")
end
"""
    )


def post_with_proofs(body: str, proofs: Path, *, basic: str) -> str:
    """A script that posts one form again and again, each time with another line of a file as its DPoP proof."""
    return (
        post(body, basic=basic)
        + f"""
local proofs, at = {{}}, 0
for line in io.lines("{proofs}") do proofs[#proofs + 1] = line end
function request()
  at = at + 1
  if at > #proofs then wrk.thread:stop() end
  wrk.headers["DPoP"] = proofs[at] or ""
  return wrk.format(nil, nil, nil, nil)
end
"""
    )


def post_batches(event: Mapping[str, object], count: int, *, basic: str) -> str:
    """A script that posts batches of `count` events that are alike but for their ids, which never come again."""
    written = json.dumps(event).replace("\\", "\\\\").replace("'", "\\'")
    return (
        post("", basic=basic, kind="application/json")
        + f"""
local event, at = '{written}', 0
function request()
  local batch = {{}}
  for number = 1, {count} do
    at = at + 1
    batch[number] = '{{"id":"' .. at .. '",' .. event:sub(2)
  end
  return wrk.format(nil, nil, nil, '{{"events":[' .. table.concat(batch, ",") .. "]}}")
end
"""
    )


def refresh(tokens: Path, client_id: str) -> str:
    """A script that refreshes many families in turn, each with the token that its last answer gave."""
    return (
        post("")
        + f"""
local queue, first, last = {{}}, 1, 0
for line in io.lines("{tokens}") do last = last + 1; queue[last] = line end
function request()
  local token = queue[first]; queue[first] = nil; first = first + 1
  return wrk.format(nil, nil, nil, "grant_type=refresh_token&client_id={client_id}&refresh_token=" .. (token or "none"))
end
function response(status, headers, body)
  local token = body:match('"refresh_token":"([^"]+)"')
  if token then last = last + 1; queue[last] = token end
end
"""
    )
