"""An agent with a key, and thieves of its token: a JSON object of issuer, client_id, secret and url on stdin. Prints
what the agent's call answered, and the status that each thief was given, as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from fastmcp import Client

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))
from prove_with_httpx import BoundToken, proof


async def main(issuer: str, client_id: str, secret: str, url: str) -> dict[str, Any]:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    form = {"grant_type": "client_credentials", "resource": url}
    address = f"{issuer}/token"
    async with httpx2.AsyncClient() as http:
        shown = {"DPoP": proof(key, "POST", address)}
        answer = (await http.post(address, data=form, auth=(client_id, secret), headers=shown)).json()
        token = answer["access_token"]

        async def status(scheme: str, *proofs: str) -> int:
            headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
            return (await http.post(url, json={}, headers=headers)).status_code

        good = proof(key, "POST", url, token)
        thieves = {
            "as a bearer's": await status("Bearer"),
            "as a bearer's, with a proof": await status("Bearer", proof(key, "POST", url, token)),
            "without a proof": await status("DPoP"),
            "with another key": await status("DPoP", proof(other, "POST", url, token)),
            "with a proof for another address": await status("DPoP", proof(key, "POST", address, token)),
            "with a proof for another method": await status("DPoP", proof(key, "GET", url, token)),
            "with a proof for no token": await status("DPoP", proof(key, "POST", url)),
            "with two proofs": await status("DPoP", *(proof(key, "POST", url, token) for _ in range(2))),
        }
        owner = await status("dpop", good)
        thieves["with a proof that was used"] = await status("DPoP", good)
    async with Client(url, auth=BoundToken(key, token)) as client:
        found = await client.call_tool("find", {"words": "milk"})
    return {
        "type": answer["token_type"],
        "owner": owner,
        "thieves": thieves,
        "answer": found.content[0].text,  # type: ignore[union-attr]  # a text
    }


print(json.dumps(asyncio.run(main(**json.load(sys.stdin)))))
