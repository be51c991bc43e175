"""Leavers by SCIM, over two nodes: what one PATCH ends under load, and how long 1,000 of them take.

    DATABASE_URL=postgres://… python -m tests.bench.leavers [COUNT]

People come by SCIM. Their three authorizations and the session each are written straight into the tables, as a thousand
sign-ins would take longer than all that is measured.
"""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.support import commands
from tests.support.leaver_under_load import HIS, LEAVES, _measure, scim_of, two_nodes
from tests.support.processes import RunningGatehouse
from tests.xaa.directories import USER

AT_ONCE = 8
BULK = 200
_FILL = """
import os
from datetime import UTC, datetime, timedelta
import django
django.setup()
from authz.models import Authorization, Client, ProtectedResource, User
now = datetime.now(UTC)
agent, server = Client.objects.get(client_id="desktop-app"), ProtectedResource.objects.get(is_default=True)
people = User.objects.filter(username__startswith=os.environ["WHO"])
Authorization.objects.bulk_create([
    Authorization(client=agent, user=user, resource=server, grant_type="authorization_code", scopes=["mcp:read"],
                  created=now, expires=now + timedelta(days=30), client_digest=agent.consent_digest)
    for user in people for _ in range(3)
], batch_size=500)
"""
_LEFT = """
import os
import django
django.setup()
from authz.models import Authorization
print(Authorization.objects.filter(user__username__startswith=os.environ["WHO"], revoked=None).count())
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder, two_nodes(Path(folder)) as nodes:
        one = _measure(nodes, 2.0)
        print(f"one leaver under load: answered in {one.answered * 1000:.0f} ms; the last request of theirs that was")
        print(f"  still answered began {one.last * 1000:.0f} ms after it was sent")
        for what in HIS:
            print(f"  {what}: {one.before[what]} before, {one.succeeded_after[what]} of {one.asked_after[what]} after")
        for how in ("single requests", "bulk requests"):
            many(nodes, count, how)


def many(nodes: tuple[RunningGatehouse, RunningGatehouse], count: int, how: str) -> None:
    prefix = f"leaver-{how[:4].strip()}"
    sessions = [(node, scim_of(node)) for node in nodes]
    node, scim = sessions[0]
    keys: list[str] = []
    for start in range(0, count, BULK):
        names = [f"{prefix}-{number}" for number in range(start, min(start + BULK, count))]
        made = [("POST", "/Users", {"schemas": [USER], "userName": name}) for name in names]
        keys += [one["location"].rsplit("/", 1)[1] for one in bulk(node, scim, made)]
    commands.python(["-c", _FILL], nodes[0].server.env | {"WHO": prefix})

    began = time.monotonic()
    if how == "single requests":
        with ThreadPoolExecutor(AT_ONCE) as pool:
            pairs = [(*sessions[number % 2], key) for number, key in enumerate(keys)]
            done = list(pool.map(lambda pair: leave(*pair), pairs))
        longest = max(done)
    else:
        longest = 0.0
        for start in range(0, count, BULK):
            sent = time.monotonic()
            bulk(node, scim, [("PATCH", f"/Users/{key}", LEAVES) for key in keys[start : start + BULK]])
            longest = max(longest, time.monotonic() - sent)
    took = time.monotonic() - began
    left = commands.python(["-c", _LEFT], nodes[0].server.env | {"WHO": prefix}).strip()
    print(f"{count} leavers by {how}: {took:.1f} s, {count / took:.0f} a second, the longest request {longest:.2f} s;")
    print(f"  {3 * count} authorizations ended, {left} left")


def leave(node: RunningGatehouse, scim: requests.Session, key: str) -> float:
    began = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(scim.headers)
        answer = session.patch(f"{node.issuer}/scim/v2/Users/{key}", json=LEAVES, timeout=120)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began


def bulk(
    node: RunningGatehouse, scim: requests.Session, given: list[tuple[str, str, dict[str, object]]]
) -> list[dict[str, str]]:
    operations = [
        {"method": method, "path": path, "data": data, **({"bulkId": str(number)} if method == "POST" else {})}
        for number, (method, path, data) in enumerate(given)
    ]
    schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]
    body = {"schemas": schemas, "Operations": operations}
    answer = scim.post(f"{node.issuer}/scim/v2/Bulk", json=body, timeout=600)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, str]] = answer.json()["Operations"]
    assert all(one["status"].startswith("2") for one in found), found[:3]
    return found


if __name__ == "__main__":
    main()
