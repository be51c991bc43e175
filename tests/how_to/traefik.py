"""Stands in for Traefik: reads a folder with `traefik.yaml` and the dynamic configuration that it names, and prints the
same as a configuration of Caddy. Any key that Traefik's reference does not have ends it with an error.

    python tests/how_to/traefik.py FOLDER
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# The keys that are understood, by their place; `*` is a name that the reader chooses (doc.traefik.io, version 3).
STATIC = {
    "entryPoints": {"*": {"address": str, "http": {"tls": dict}}},
    "providers": {"file": {"filename": str}},
    "certificatesResolvers": {"*": {"acme": {"email": str, "storage": str, "tlsChallenge": dict}}},
}
DYNAMIC = {
    "http": {
        "routers": {
            "*": {"rule": str, "entryPoints": list, "service": str, "tls": {"certResolver": str}},
        },
        "services": {
            "*": {
                "loadBalancer": {
                    "passHostHeader": bool,
                    "servers": list,
                    "healthCheck": {"path": str, "interval": str, "timeout": str},
                }
            }
        },
    }
}
_RULE = re.compile(r"Host\(`(?P<host>[^`]+)`\) && !Path\(`(?P<path>[^`]+)`\)")


def check(found: Any, known: Any, place: str = "") -> None:
    """Raises ValueError for a key or a type that the reference does not have."""
    if isinstance(known, type):
        if not isinstance(found, known):
            raise ValueError(f"{place}: field not valid")
        return
    if not isinstance(found, Mapping):
        raise ValueError(f"{place}: field not valid")
    for key, value in found.items():
        if key not in known and "*" not in known:
            raise ValueError(f"field not found, node: {place}{key}")
        check(value, known.get(key, known.get("*")), f"{place}{key}.")


def read(file: Path, known: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    check(found, known)
    return found


def as_caddy(static: Mapping[str, Any], dynamic: Mapping[str, Any]) -> dict[str, Any]:
    """One server for each entry point, with the routes of its routers."""
    servers = {
        name: {"listen": [point["address"]], "routes": [*_routes(name, static, dynamic["http"])]}
        for name, point in static["entryPoints"].items()
    }
    return {"apps": {"http": {"servers": servers}}}


def _routes(entry_point: str, static: Mapping[str, Any], http: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "match": [{"host": [found["host"]], "not": [{"path": [found["path"]]}]}],
            "handle": [_balanced(http["services"][router["service"]]["loadBalancer"])],
            "terminal": True,
        }
        for router in http["routers"].values()
        if entry_point in router["entryPoints"]
        and router["tls"]["certResolver"] in static["certificatesResolvers"]
        and (found := _RULE.fullmatch(router["rule"]))
    ] + [{"handle": [{"handler": "static_response", "status_code": 404, "body": "404 page not found"}]}]


def _balanced(balancer: Mapping[str, Any]) -> dict[str, Any]:
    """It sets X-Forwarded-For, and drops the sender's, as Traefik does."""
    health = balancer["healthCheck"]
    active = {"uri": health["path"], "interval": health["interval"], "timeout": health["timeout"]}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": server["url"].removeprefix("http://")} for server in balancer["servers"]],
        "health_checks": {"active": active},
        "load_balancing": {"try_duration": "3s"},
    }


if __name__ == "__main__":
    own = read(Path(sys.argv[1], "traefik.yaml"), STATIC)
    given = read(Path(sys.argv[1], Path(own["providers"]["file"]["filename"]).name), DYNAMIC)
    print(json.dumps(as_caddy(own, given)))
