"""The client that the conformance suite starts: trades its ID token for an ID-JAG at the suite's IdP, and keeps that.

python -m tests.interop.exchange_at_the_suite AUDIENCE RESOURCE ANSWER_FILE MCP_SERVER (the suite adds the last)
"""

import json
import os
import sys
from pathlib import Path

import requests

audience, resource, answer_file, _ = sys.argv[1:]
context = json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])
answer = requests.post(
    context["idp_token_endpoint"],
    data={
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
        "subject_token": context["idp_id_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "client_id": context["idp_client_id"],
        "audience": audience,
        "resource": resource,
    },
    timeout=20,
)
answer.raise_for_status()
Path(answer_file).write_text(json.dumps({"issuer": context["idp_issuer"], "id_jag": answer.json()["access_token"]}))
