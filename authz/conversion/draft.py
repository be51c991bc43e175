"""A configuration file in the making, and what is left out of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from authz.conversion.reading import NotAnExportError
from authz.policy import RuleError
from authz.policy.clients import client_pattern, pattern_key
from authz.protocol import redirect_uris
from authz.protocol.client_metadata import SECRET_METHODS
from authz.protocol.display_names import visible
from authz.protocol.identifiers import is_like_a_subject

__all__ = ["Draft", "LeftOut", "NotAnExportError", "OtherClient"]

# A secret of ours has 32 to 512 characters (authz/configuration/clients.py).
_SECRET = re.compile(r"[\x20-\x7e]{32,512}")
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,1024}")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is not as it was, such as “client notes”, and why, as a sentence."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{visible(self.what)}: {visible(self.why)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherClient:
    """A client of another server. `secret` is "" where the export has none that can be used; `no_secret` says why."""

    client_id: str
    name: str = ""
    is_enabled: bool = True
    owner: str = ""
    grant_types: tuple[str, ...]
    auth_method: str
    secret: str = ""
    no_secret: str = ""
    jwks_uri: str = ""
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    client_uri: str = ""


@dataclass(slots=True)
class Draft:
    """`origin` says where it is from. `has_secrets`: the file holds those that the export has."""

    origin: str
    has_secrets: bool = False
    clients: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    _variables: set[str] = field(default_factory=set)

    def leave_out(self, what: str, why: str) -> None:
        self.left_out.append(LeftOut(what, why))

    def add_client(self, client: OtherClient) -> bool:
        """Whether it is in the file."""
        what = f"client {client.client_id}"
        if problem := _client_id_problem(client.client_id):
            self.leave_out(what, f"Left out: its client_id {problem}. Give it another one, and tell the client.")
            return False
        if not client.grant_types:
            self.leave_out(what, "Left out: it has no grant that this server has.")
            return False
        item = {
            "client_id": client.client_id,
            "client_name": visible(client.name)[:255],
            # The people who review the file approve; nothing is allowed without a rule.
            "status": "approved" if client.is_enabled else "suspended",
            "owner": client.owner,
            "grant_types": list(client.grant_types),
            "token_endpoint_auth_method": client.auth_method,
            **self._secret(what, client),
            "jwks_uri": client.jwks_uri,
            "redirect_uris": self._redirects(what, client),
            "post_logout_redirect_uris": self._usable(what, "logout URI", client.post_logout_redirect_uris),
            "scope": " ".join(client.scope),
            "client_uri": client.client_uri,
        }
        self.clients.append({name: value for name, value in item.items() if value not in ("", [])})
        return True

    def add_rule(self, name: str, client_id: str, grant_type: str, resource: str, scopes: Iterable[str]) -> None:
        """What was allowed there, disabled: a person enables what they mean."""
        # A client that calls itself `*` or `kind:cimd` must not become a rule for others.
        if not _is_exact(client_id):
            self.leave_out(f"client {client_id}", "Its client_id reads as a pattern in rules, so none is proposed.")
            return
        rule = {"name": name[:255], "effect": "allow", "enabled": False, "clients": [client_id]}
        people = {} if grant_type == "client_credentials" else {"users": ["*"]}
        rule |= people | {"grant_types": [grant_type], "resources": [resource], "scopes": sorted(scopes)}
        self.rules.append(rule)

    def as_yaml(self) -> str:
        """Raises `NotAnExportError` if there is nothing in it."""
        sections = {"clients": self.clients, "resources": self.resources, "rules": self.rules}
        held: Mapping[str, Any] = {name: items for name, items in sections.items() if items}
        if not self.clients:
            raise NotAnExportError("No client in it can be carried over.")
        head = f"# From {visible(self.origin)}. A draft: read it, complete it, and try `apply --dry-run`.\n"
        return head + yaml.safe_dump(held, sort_keys=False, allow_unicode=True, width=110)

    def _secret(self, what: str, client: OtherClient) -> dict[str, str]:
        if client.auth_method not in SECRET_METHODS:
            return {}
        problem = client.no_secret or ("" if _SECRET.fullmatch(client.secret) else "has not 32 to 512 characters")
        if self.has_secrets and not problem:
            return {"client_secret": client.secret}
        variable = self._variable(client.client_id)
        if problem:
            self.leave_out(what, f"Its secret {problem}. Put a new one into {variable}, and give it to the client.")
        else:
            self.leave_out(what, f"Its secret is not in this file: put it into {variable}, or use --secrets.")
        return {"client_secret_env": variable}

    def _variable(self, client_id: str) -> str:
        plain = name = "SECRET_" + (re.sub(r"[^A-Z0-9]+", "_", client_id.upper()).strip("_")[:60] or "OF_A_CLIENT")
        number = 1
        while name in self._variables:
            number += 1
            name = f"{plain}_{number}"
        self._variables.add(name)
        return name

    def _redirects(self, what: str, client: OtherClient) -> list[str]:
        usable = self._usable(what, "redirect URI", client.redirect_uris)
        if "authorization_code" in client.grant_types and not usable:
            self.leave_out(what, "No redirect URI is left: write its exact ones. `apply` refuses the file until then.")
        return usable

    def _usable(self, what: str, kind: str, uris: Iterable[str]) -> list[str]:
        usable = []
        for uri in dict.fromkeys(uris):
            if problem := _redirect_problem(uri):
                self.leave_out(what, f"The {kind} {uri[:200]} is left out: {problem}")
            else:
                usable.append(uri)
        return usable


def _redirect_problem(uri: str) -> str:
    # > the authorization server MUST … compare the two URIs using simple string comparison (RFC 9700 §2.1)
    # Taken literally, the star would match nothing, and no one would see why.
    if "*" in uri:
        return "wildcards are not matched here. Write each exact URI that the client uses."
    problem = redirect_uris.problem(uri, custom_schemes=frozenset({redirect_uris.scheme_of(uri)}))
    return "" if problem is None else problem.sentence


def _client_id_problem(client_id: str) -> str:
    if not _CLIENT_ID.fullmatch(client_id):
        return "has characters other than printable ASCII, or too many"
    return "is a UUID, as people's subjects are" if is_like_a_subject(client_id) else ""


def _is_exact(client_id: str) -> bool:
    try:
        return pattern_key(client_pattern(client_id, "clients")) == f"id:{client_id}"
    except RuleError:
        return False
