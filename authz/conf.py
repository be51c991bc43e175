"""Gatehouse's settings, read once and typed. All other code reads them here; only settings.py reads the environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signals import setting_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """`issuer` is the one string that metadata, redirects and tokens carry, byte for byte (invariant 7)."""

    issuer: str
    require_resource: bool
    plans_need_approval: bool
    mcp: bool
    mcp_sampling: bool
    dpop_nonces: bool
    require_par: bool
    refresh_reuse_window: int
    second_factor_roles: tuple[str, ...]
    session_hours: int
    session_idle_minutes: int
    delegation_hops: int
    outbound_allowed_hosts: Mapping[tuple[str, int], frozenset[str] | None]
    outbound_ca_bundle: str | None
    plain_http_resources: frozenset[str]
    threads: int
    database_pool: int
    database_pooler: bool
    database_timeout: int
    trusted_proxies: tuple[str, ...]
    proxy_header: str
    rate_limits: Mapping[str, str]
    otlp_endpoint: str
    otlp_headers: Mapping[str, str]
    traces_sampled: float
    metrics_token: str
    run_directory: str | None
    audit_directory: Path
    audit_retention_days: int
    owner_grace_days: int
    default_successor: str
    grants: tuple[str, ...]
    client_auth_methods: tuple[str, ...]
    client_resolvers: tuple[str, ...]
    api_parts: tuple[str, ...]
    token_response_extensions: tuple[str, ...]
    endpoints: tuple[str, ...]
    liveness_checks: tuple[str, ...]
    reason_explanations: tuple[str, ...]
    password_checks: tuple[str, ...]
    group_sources: tuple[str, ...]
    public_grants: tuple[str, ...]
    end_listeners: tuple[str, ...]
    configuration_sections: tuple[str, ...]
    periodic_tasks: tuple[str, ...]

    @property
    def issuer_path(self) -> str:
        """The issuer's path without a trailing slash: `""` or `"/o"`. Endpoints are below it."""
        return urlsplit(self.issuer).path.rstrip("/")

    @property
    def origin(self) -> str:
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def endpoint(self, name: str) -> str:
        """The absolute URL of an endpoint, such as `token`."""
        return f"{self.issuer.rstrip('/')}/{name}"


def read(values: Mapping[str, Any]) -> Conf:
    """The `GATEHOUSE` setting, typed. Raises TypeError for an unknown name, KeyError for a missing one."""
    names = {field.name.upper(): field for field in fields(Conf)}
    if unknown := set(values) - set(names):
        raise TypeError(f"unknown GATEHOUSE settings: {', '.join(sorted(unknown))}")
    typed: dict[str, Any] = {
        name.lower(): frozenset(value)
        if name == "PLAIN_HTTP_RESOURCES"
        else _roles(value)
        if name == "OUTBOUND_ALLOWED_HOSTS"
        else tuple(value)
        if isinstance(value, list)
        else value
        for name, value in values.items()
    }
    return Conf(**typed)


def _roles(entries: Iterable[tuple[Any, ...]]) -> Mapping[tuple[str, int], frozenset[str] | None]:
    """The roles of each (host, port) (authz/protocol/allowed_hosts.py). None means all, also if another entry has
    roles.
    """
    found: dict[tuple[str, int], frozenset[str] | None] = {}
    for host, port, *named in entries:
        roles, before = (frozenset(named[0]) if named else None), found.get((host, port), frozenset())
        found[host, port] = None if roles is None or before is None else before | roles
    return found


@cache
def current() -> Conf:
    return read(settings.GATEHOUSE)


def as_called(text: str) -> str:
    """A sentence of ours with its commands as they are called here: `gatehouse …` where pip installed the server."""
    return text.replace("manage.py ", "gatehouse ") if settings.IS_INSTALLED else text


class _Current:
    """`conf.issuer` and so on, always from the current settings (tests override them)."""

    def __getattr__(self, name: str) -> Any:
        return getattr(current(), name)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "GATEHOUSE":
        current.cache_clear()


setting_changed.connect(_forget)
conf: Conf = _Current()  # type: ignore[assignment]  # stands for Conf, attribute by attribute
