"""All grants at once: of 100 requests 70 are `client_credentials`, 15 refresh, 10 redeem an ID-JAG and 5 are token
exchanges. None fails, and each has its event.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tests.bench import load, servers
from tests.bench.load import Figures
from tests.bench.servers import Prepared
from tests.support import databases
from tests.support.world import SECRET, basic_header

ISSUED = ("token:access:issued", "token:id_jag:issued")
# More than a minute's: each is used once.
ID_JAGS, FAMILIES = 60_000, 2000


@dataclass(frozen=True, slots=True)
class Mixed:
    """`events` are those of what was issued since `answers` were counted from."""

    figures: Figures
    answers: int
    events: int

    @property
    def is_complete(self) -> bool:
        return not self.figures.failed and self.events >= self.answers > 0

    def __str__(self) -> str:
        return (
            f"all grants at once: {self.figures.per_second:,.0f} a second, p50 {self.figures.p50:.1f} ms, p99"
            f" {self.figures.p99:.1f} ms; {self.figures.failed} failed; {self.answers} answers, {self.events} events"
        )


def mix(seconds: int, directory: Path) -> Mixed:
    """On a database of the kind that DATABASE_URL names."""
    with (
        databases.empty(directory) as url,
        mock.patch.dict(os.environ, {"DATABASE_URL": url}),
        servers.gatehouse(directory) as server,
    ):
        prepared = servers.prepare(server, directory, assertions=min(ID_JAGS, 1000 * seconds), families=FAMILIES)
        before = _events(url)
        figures = load.run(server.token, _script(prepared), seconds=seconds)
        return Mixed(figures, int(figures.per_second * seconds), _events(url) - before)


def _events(url: str) -> int:
    return sum(databases.recorded(url, event) for event in ISSUED)


def _script(prepared: Prepared) -> str:
    machine, agent = basic_header("nightly-report", SECRET), basic_header("cross-app-agent", servers.AGENT_SECRET)
    return f"""
wrk.method = "POST"
local kind = "application/x-www-form-urlencoded"
local function lines(path)
  local all = {{}}
  for line in io.lines(path) do all[#all + 1] = line end
  return all
end
local tokens, id_jags = lines("{prepared.refresh_tokens}"), lines("{prepared.id_jags}")
local first, last, at, turn = 1, #tokens, 0, 0
local function post(body, basic)
  return wrk.format(nil, nil, {{["Content-Type"] = kind, ["Authorization"] = basic}}, body)
end
function request()
  turn = turn + 1
  local share = turn % 20
  if share < 14 then return post("grant_type=client_credentials&resource={prepared.es256}", "{machine}") end
  if share < 17 then
    local token = tokens[first]; tokens[first] = nil; first = first + 1
    return post("grant_type=refresh_token&client_id=desktop-app&refresh_token=" .. token)
  end
  if share < 19 then at = at + 1; return post(id_jags[at], "{agent}") end
  return post("{prepared.exchange}", "{agent}")
end
function response(status, headers, body)
  local token = body:match('"refresh_token":"([^"]+)"')
  if token then last = last + 1; tokens[last] = token end
end
"""
