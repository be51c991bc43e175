"""A million tokens at one server, and the memory of its workers at each 100,000: `python -m tests.load.memory
[TOKENS]`, on the kind of database that DATABASE_URL names.

Four fifths are `client_credentials`. The others rotate refresh tokens and present signed assertions, of which each is
of its own authorization or has its own `jti`, so that what a worker remembers is exercised, too.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tests.bench import load, servers
from tests.bench.servers import Prepared
from tests.support import databases
from tests.support.world import SECRET, basic_header

TOKENS, EACH = 1_000_000, 100_000
# Seconds of a run, and how many families and assertions it has; when they are used up it goes on without them.
SECONDS, DISTINCT = 20, 10_000
# What was mapped or copied at first counts for the first 200,000. From then on memory may grow by so much.
SETTLED, MOST = 200_000, 1.1


@dataclass(frozen=True, slots=True)
class Look:
    """`workers` is the proportional set size of each, in MiB."""

    tokens: int
    failed: int
    workers: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.tokens:>10,} tokens: {' and '.join(f'{each:.1f}' for each in self.workers)} MiB"


def looks(tokens: int, directory: Path) -> Iterator[Look]:
    with (
        databases.empty(directory) as url,
        mock.patch.dict(os.environ, {"DATABASE_URL": url}),
        servers.gatehouse(directory) as server,
    ):
        issued, failed, due = 0, 0, EACH
        while issued < tokens:
            prepared = servers.prepare(server, directory, assertions=DISTINCT, families=DISTINCT)
            figures = load.run(server.token, _script(prepared), seconds=SECONDS)
            failed += figures.failed
            issued += int(figures.per_second * SECONDS)
            if issued >= min(due, tokens):
                due += EACH
                yield Look(issued, failed, tuple(server.memory()))


def growth(seen: list[Look]) -> float:
    """How many times as large the largest worker is at the end as when it had settled."""
    settled = next((look for look in seen if look.tokens >= SETTLED), seen[0])
    return max(seen[-1].workers) / max(settled.workers)


def _script(prepared: Prepared) -> str:
    machine = basic_header("nightly-report", SECRET)
    return (
        load.post(f"grant_type=client_credentials&resource={prepared.es256}")
        + f"""
local function lines(path)
  local all = {{}}
  for line in io.lines(path) do all[#all + 1] = line end
  return all
end
local kind = wrk.headers["Content-Type"]
local machine = {{["Authorization"] = "{machine}", ["Content-Type"] = kind}}
local families, assertions, turn, at = lines("{prepared.refresh_tokens}"), lines("{prepared.assertions}"), 0, 0
function request()
  turn = turn + 1
  if turn % 10 == 8 then at = at + 1 end
  if turn % 10 == 8 and families[at] then
    return wrk.format(nil, nil, nil, "grant_type=refresh_token&client_id=desktop-app&refresh_token=" .. families[at])
  elseif turn % 10 == 9 and assertions[at] then
    return wrk.format(nil, nil, nil, assertions[at])
  end
  return wrk.format(nil, nil, machine)
end
"""
    )


def main() -> int:
    tokens, seen = int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS, list[Look]()
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        for look in looks(tokens, Path(directory)):
            print(look, flush=True)
            seen.append(look)
    times, failed = growth(seen), seen[-1].failed
    print(f"{times:.2f} times as much as after {SETTLED:,}; {failed} requests failed")
    return int(times > MOST or failed > 0)


if __name__ == "__main__":
    sys.exit(main())
