"""What scim2-tester thinks of a SCIM server: a JSON list of its checks (status, title, reason, resource type).

python try_it.py ADDRESS TOKEN
"""

import json
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server

ADDRESS, TOKEN = sys.argv[1:]
with Client(base_url=ADDRESS, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
    results = check_server(SyncSCIMClient(client))
found = [
    {"status": one.status.name, "title": one.title, "reason": one.reason, "resource_type": one.resource_type}
    for one in results
]
print(json.dumps(found))
