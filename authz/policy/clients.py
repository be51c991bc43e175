"""Which clients a rule means: the patterns that it may write, and the keys under which a question's client is found.

    *                      every client
    nightly-report         the client with exactly this client_id (a CIMD client's is its URL)
    host:app.example.com   CIMD clients of exactly this host, on any port
    host:*.example.com     CIMD clients of any host below it; neither example.com itself nor example.com.evil.org
    tag:finance  owner:alice  environment:production     by what an administrator wrote on the client
    kind:cimd              by how it came to be known: registered, dynamic, cimd or workload

Patterns and keys are both written `selector:value` with `id:` for an exact client_id, so a client that calls itself
`tag:finance` is found under `id:tag:finance` and never under the tag.
"""

import ipaddress
import re
from collections.abc import Iterable

from authz.policy.parsing import RuleError
from authz.policy.question import AccessQuestion, Actor, ClientKind

_SELECTORS = ("host", "tag", "owner", "environment", "kind")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def client_pattern(pattern: str, field: str) -> str:
    """The pattern in its one spelling. Raises RuleError for one that can't match or misleads."""
    selector, colon, value = pattern.partition(":")
    if not colon or selector.lower() not in _SELECTORS:
        if pattern != "*" and "*" in pattern:
            raise RuleError(field, "is an exact client_id; for the clients of a host write “host:*.example.com”.")
        return pattern
    if selector not in _SELECTORS:
        raise RuleError(field, f"must be written “{selector.lower()}:”, in small letters.")
    if not value or value != value.strip():
        raise RuleError(field, f"needs a value right after “{selector}:”.")
    if selector == "host":
        return f"host:{_host_pattern(value, field)}"
    if "*" in value:
        raise RuleError(field, "is exact: “*” stands only alone or in “host:*.example.com”.")
    if selector == "kind" and value not in list(ClientKind):
        raise RuleError(field, f"must be one of {', '.join(f'kind:{kind}' for kind in ClientKind)}.")
    return pattern


def pattern_key(pattern: str) -> str:
    """The key under which the clients of a pattern are found; "*" stays "*"."""
    if pattern == "*":
        return pattern
    if pattern.startswith("host:*."):
        return "under:" + pattern.removeprefix("host:*.")
    return pattern if pattern.partition(":")[0] in _SELECTORS else f"id:{pattern}"


def client_keys(question: AccessQuestion) -> list[str]:
    """Every key under which the question's client is found, "*" among them."""
    return keys_of(
        client_id=question.client_id,
        kind=question.client_kind,
        host=question.client_host,
        tags=question.client_tags,
        owner=question.client_owner,
        environment=question.client_environment,
    )


def actor_keys(actor: Actor) -> list[str]:
    """The same of a client that acted before."""
    return keys_of(
        client_id=actor.client_id,
        kind=actor.kind,
        host=actor.host,
        tags=actor.tags,
        owner=actor.owner,
        environment=actor.environment,
    )


def keys_of(
    *, client_id: str, kind: ClientKind, host: str, tags: Iterable[str], owner: str, environment: str
) -> list[str]:
    """The same of a client without a question; the parts are those of `AccessQuestion`."""
    keys = ["*", "id:" + client_id, "kind:" + kind]
    keys.extend(["tag:" + tag for tag in tags])
    if owner:
        keys.append("owner:" + owner)
    if environment:
        keys.append("environment:" + environment)
    if host:
        keys.extend(_host_keys(host_name(host)))
    return keys


def host_name(host: str) -> str:
    """A host in its one spelling: small letters, no port, no brackets, no final dot."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    if host.count(":") == 1:
        host = host.partition(":")[0]
    return host.removesuffix(".")


def _host_keys(host: str) -> list[str]:
    keys = ["host:" + host]
    labels = host.split(".")
    # The domains above a name own it; the numbers after the first dot of an address own nothing.
    if not labels[-1].isdigit():
        keys.extend(["under:" + ".".join(labels[start:]) for start in range(1, len(labels))])
    return keys


def _host_pattern(value: str, field: str) -> str:
    name = value.lower().removesuffix(".")
    bare = name.removeprefix("[").removesuffix("]")
    if _is_address(bare):
        return bare
    if ":" in name:
        raise RuleError(field, "names a host without its port: a host is meant on every port.")
    domain = name.removeprefix("*.")
    labels = domain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise RuleError(field, "must be a host name such as “app.example.com” or “*.example.com” (IDNs as xn--…).")
    if name != domain and labels[-1].isdigit():
        raise RuleError(field, "must not put “*” before part of an IP address.")
    return name


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
