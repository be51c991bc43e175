"""The environment is read here and nowhere else, by authz/environment_readers.py; the server's parts are listed here
(`GATEHOUSE`).

docs/settings.md describes every name for operators. authz/django_settings.py has the settings that do not depend on the
environment.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from authz.django_settings import *  # noqa: F403  all of them are settings
from authz.django_settings import BASE_DIR, IS_INSTALLED, TOOLKIT
from authz.environment_readers import (
    Problems,
    env_choice,
    env_file,
    env_folder,
    env_list,
    env_mail_server,
    env_number,
    env_pairs,
    env_port,
    env_rates,
    env_secret,
    env_sender,
    env_share,
    env_switch,
    env_url,
    nearest,
    network,
)
from authz.operations import key_file, logs
from authz.protocol import allowed_hosts, issuers

DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")

_LIMITED = (
    *("token", "introspect", "revoke", "authorize", "evaluation", "evaluations", "events", "access_request", "task"),
    *("search_subject", "search_resource", "search_action", "ext_authz", "auth_request", "par"),
)
# The limits and their defaults (authz/limits/rate_limits.py).
RATE_LIMITS = {
    "refused:client": "1000/minute",
    "refused:address": "10000/minute",
    "sign_in:account": "10/5 minute",
    "sign_in:account_everywhere": "200/hour",
    "sign_in:address": "30/minute",
    "second_factor:account": "10/5 minute",
    "reset:account": "5/10 minute",
    "reset:address": "20/minute",
    "login:address": "600/minute",
} | {f"{endpoint}:{by}": "none" for endpoint in _LIMITED for by in ("client", "address")}
# A public client proves nothing, and each of its pushed requests is a row for a while.
RATE_LIMITS |= {"par:address": "300/minute"}
RATE_LIMITS |= {"register:address": "none", "manage:address": "none"}
RATE_LIMITS |= {"scim:address": "none", "scim:directory": "6000/minute"}
RATE_LIMITS |= {"ssf:address": "none", "ssf:receiver": "600/minute"}
RATE_LIMITS |= {"signals:address": "none", "signals:source": "6000/minute"}
# > Servers MUST: […] Rate limit tool invocations (MCP, Tools). An asker is an agent with the person it acts for.
RATE_LIMITS |= {
    "mcp:address": "none",
    "mcp:asker": "240/minute",
    "mcp_ask:asker": "30/hour",
    "mcp_ask_audit:asker": "20/hour",
}


def allowed_host(item: str) -> allowed_hosts.Entry:
    """An entry of GATEHOUSE_OUTBOUND_ALLOWED_HOSTS. Raises `ImproperlyConfigured`."""
    try:
        return allowed_hosts.parse(item)
    except ValueError as error:
        raise ImproperlyConfigured(f"GATEHOUSE_OUTBOUND_ALLOWED_HOSTS {error}") from None


_PLAIN_HTTP_HOST = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?")


def plain_http_host(item: str) -> str:
    """A host, or host:port. No patterns: each host without TLS is named. Raises `ImproperlyConfigured`."""
    port = item.rpartition("]")[2].partition(":")[2]
    if not _PLAIN_HTTP_HOST.fullmatch(item.lower()) or int(port or 1) > 65535:
        raise ImproperlyConfigured(
            f"GATEHOUSE_PLAIN_HTTP_RESOURCES takes hosts and host:port pairs, such as mcp:9100, not {item!r}"
        )
    return item.lower()


_ROLES = ("none", "developer", "auditor", "approver", "administrator")


def role(item: str) -> str:
    """A role, of which a second factor is demanded. Raises `ImproperlyConfigured`."""
    if item not in _ROLES:
        raise ImproperlyConfigured(f"GATEHOUSE_SECOND_FACTOR_ROLES takes {', '.join(_ROLES)}, not {item!r}")
    return item


def proxy_header() -> str:
    """The name of the proxies' header in lower case. Raises `ImproperlyConfigured`."""
    value, known = os.environ.get("GATEHOUSE_PROXY_HEADER") or "X-Forwarded-For", ("X-Forwarded-For", "Forwarded")
    if value.lower() not in {name.lower() for name in known}:
        hint = nearest(value, known)
        raise ImproperlyConfigured(f"GATEHOUSE_PROXY_HEADER must be {' or '.join(known)}, not {value!r}{hint}")
    return value.lower()


def secret_key() -> str:
    """The key from the environment; for a first try on one machine, a key file that only the owner can read.
    Raises `ImproperlyConfigured`.
    """
    if key := os.environ.get("GATEHOUSE_SECRET_KEY"):
        return key
    try:
        return key_file.read_or_make(HOME / "secret-key")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImproperlyConfigured(
            f"GATEHOUSE_SECRET_KEY is not set, and {HOME / 'secret-key'} cannot be made or read: {reason}"
        ) from None


def database(url: str) -> dict[str, Any]:
    """DATABASE_URL as Django's settings. Raises `ImproperlyConfigured`, without the URL, which may hold a password."""
    scheme, _, rest = url.partition("://") if "://" in url else ("", "", "")
    if scheme not in DATABASE_SCHEMES or not rest.partition("/")[2].partition("?")[0]:
        raise ImproperlyConfigured(
            "DATABASE_URL must be sqlite:////absolute/path or postgres://user:password@host:5432/name"
            f"{nearest(scheme, DATABASE_SCHEMES)}"
        )
    try:
        found = dict(dj_database_url.parse(url, conn_max_age=None, conn_health_checks=True))
    except ValueError:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a URL: quote special characters of the password (%40 for @), and write the port as a"
            " number"
        ) from None
    if scheme == "sqlite" and found["NAME"] != ":memory:":
        # Three slashes name a file beside where the server was started: said in full wherever it is named.
        found["NAME"] = str(Path(str(found["NAME"])).absolute())
    return found


def readable(issuer: str) -> SplitResult:
    """The issuer's parts, which decide about hosts and cookies. Raises `ImproperlyConfigured` for a text that is no
    URL; authz.E001 checks the rest.
    """
    try:
        return urlsplit(issuer)
    except ValueError:
        raise ImproperlyConfigured(f"GATEHOUSE_ISSUER {issuers.problem(issuer)}") from None


# The server's files: its key file, SQLite database and audit archives, as far as no other setting says where they are.
problems = Problems()
_NOTHING: dict[str, Any] = {}
_HERE = ((Path.cwd() if IS_INSTALLED else BASE_DIR) / "var").absolute()
HOME = problems.read(None, env_folder, "GATEHOUSE_HOME", _HERE) or _HERE
DEBUG = problems.read(False, env_switch, "GATEHOUSE_DEBUG")
SECRET_KEY = problems.read("-" * 32, secret_key)
SECRET_KEY_SOURCE = (
    "GATEHOUSE_SECRET_KEY" if os.environ.get("GATEHOUSE_SECRET_KEY") else f"The key in {HOME / 'secret-key'}"
)
# During a change of the secret key: first the new key, then the old one (docs/operations.md).
SECRET_KEY_FALLBACKS = env_list("GATEHOUSE_SECRET_KEY_FALLBACKS")
PORT = problems.read(8000, env_port, "PORT", 8000)
ISSUER = os.environ.get("GATEHOUSE_ISSUER") or f"http://127.0.0.1:{PORT}/o"
_issuer = problems.read(urlsplit("http://127.0.0.1"), readable, ISSUER)
_origin = f"{_issuer.scheme}://{_issuer.netloc}"
_https = _issuer.scheme == "https"

DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite:///{HOME / 'gatehouse.sqlite3'}"
IS_SQLITE = DATABASE_URL.startswith("sqlite")
# Threads of each process: some serve pages, and some may wait for other servers (authz/database/concurrency.py).
THREADS = problems.read(6, env_number, "THREADS", 6, "threads", least=1)

GATEHOUSE = {
    "ISSUER": ISSUER,
    "REQUIRE_RESOURCE": problems.read(False, env_switch, "GATEHOUSE_REQUIRE_RESOURCE"),
    "PLANS_NEED_APPROVAL": problems.read(True, env_switch, "GATEHOUSE_PLANS_NEED_APPROVAL", "1"),
    "MCP": problems.read(False, env_switch, "GATEHOUSE_MCP"),
    "MCP_SAMPLING": problems.read(False, env_switch, "GATEHOUSE_MCP_SAMPLING"),
    "DPOP_NONCES": problems.read(False, env_switch, "GATEHOUSE_DPOP_NONCES"),
    "REQUIRE_PAR": problems.read(False, env_switch, "GATEHOUSE_REQUIRE_PAR"),
    "REFRESH_REUSE_WINDOW": problems.read(30, env_number, "GATEHOUSE_REFRESH_REUSE_WINDOW", 30),
    "SECOND_FACTOR_ROLES": sorted(
        # Administrators may do everything: their password alone is enough on this machine only.
        {*problems.each(role, env_list("GATEHOUSE_SECOND_FACTOR_ROLES")), *(["administrator"] if _https else [])}
    ),
    "SESSION_HOURS": problems.read(12, env_number, "GATEHOUSE_SESSION_HOURS", 12, "hours", least=1, most=720),
    "SESSION_IDLE_MINUTES": problems.read(60, env_number, "GATEHOUSE_SESSION_IDLE_MINUTES", 60, "minutes", most=43200),
    "DELEGATION_HOPS": problems.read(3, env_number, "GATEHOUSE_DELEGATION_HOPS", 3, "hops", most=8),
    "PLAIN_HTTP_RESOURCES": problems.each(plain_http_host, env_list("GATEHOUSE_PLAIN_HTTP_RESOURCES")),
    "OUTBOUND_ALLOWED_HOSTS": problems.each(allowed_host, env_list("GATEHOUSE_OUTBOUND_ALLOWED_HOSTS")),
    "OUTBOUND_CA_BUNDLE": problems.read(None, env_file, "GATEHOUSE_OUTBOUND_CA_BUNDLE"),
    "THREADS": THREADS,
    "DATABASE_POOL": problems.read(8, env_number, "GATEHOUSE_DATABASE_POOL", 8, "connections", least=1),
    "DATABASE_POOLER": problems.read(False, env_switch, "GATEHOUSE_DATABASE_POOLER"),
    "DATABASE_TIMEOUT": problems.read(2, env_number, "GATEHOUSE_DATABASE_TIMEOUT", 2, least=1),
    "PROXY_HEADER": problems.read("", proxy_header),
    "TRUSTED_PROXIES": problems.each(network, env_list("GATEHOUSE_TRUSTED_PROXIES")),
    "RATE_LIMITS": problems.read(RATE_LIMITS, env_rates, "GATEHOUSE_RATE_LIMITS", RATE_LIMITS),
    # OpenTelemetry's own names (OTLP exporter and SDK environment variables).
    "OTLP_ENDPOINT": problems.read(
        "", env_url, "OTEL_EXPORTER_OTLP_ENDPOINT", ("https", "http"), "https://collector.example.com:4318"
    ).rstrip("/"),
    "OTLP_HEADERS": problems.read(_NOTHING, env_pairs, "OTEL_EXPORTER_OTLP_HEADERS"),
    "TRACES_SAMPLED": problems.read(1.0, env_share, "OTEL_TRACES_SAMPLER_ARG"),
    "METRICS_TOKEN": problems.read("", env_secret, "GATEHOUSE_METRICS_TOKEN"),
    "RUN_DIRECTORY": problems.read(None, env_folder, "GATEHOUSE_RUN_DIRECTORY", must_exist=True),
    "AUDIT_DIRECTORY": problems.read(None, env_folder, "GATEHOUSE_AUDIT_DIRECTORY", HOME / "audit"),
    "AUDIT_RETENTION_DAYS": problems.read(0, env_number, "GATEHOUSE_AUDIT_RETENTION_DAYS", 0, "days"),
    "OWNER_GRACE_DAYS": problems.read(14, env_number, "GATEHOUSE_OWNER_GRACE_DAYS", 14, "days"),
    "DEFAULT_SUCCESSOR": os.environ.get("GATEHOUSE_DEFAULT_SUCCESSOR", "").strip(),
    # The parts of the server. A part that is not listed does not exist, and the metadata does not mention it.
    "GRANTS": [
        "authz.grants.authorization_code",
        "authz.grants.refresh_token",
        "authz.grants.client_credentials",
        "xaa.token_exchange",
        "xaa.redeeming.jwt_bearer",
    ],
    "CLIENT_AUTH_METHODS": [
        "authz.client_auth.none",
        "authz.client_auth.client_secret_basic",
        "authz.client_auth.client_secret_post",
        "authz.client_auth.private_key_jwt",
    ],
    "CLIENT_RESOLVERS": ["cimd.resolver"],
    "TOKEN_RESPONSE_EXTENSIONS": ["xaa.openid.id_token"],
    "ENDPOINTS": [
        "authz.endpoints.authorize",
        "authz.endpoints.par",
        "authz.endpoints.token",
        "authz.endpoints.introspection",
        "authz.endpoints.revocation",
        "authz.endpoints.decision_point.evaluation",
        "authz.endpoints.decision_point.access_requests",
        "authz.endpoints.decision_point.search",
        "authz.endpoints.decision_point.ext_authz",
        "authz.endpoints.decision_point.events",
        "authz.mcp_server.endpoint",
        "authz.endpoints.jwks",
        "authz.endpoints.status_lists",
        "cimd.logos",
        "cimd.registration.endpoint",
        "xaa.openid.userinfo",
        "xaa.openid.logout",
        "xaa.openid.backchannel_logout",
        "xaa.scim.endpoint",
        "xaa.signals.sending.endpoint",
        "xaa.signals.receiving.endpoint",
    ],
    "API_PARTS": ["cimd.api", "xaa.api", "xaa.signals.receiving.api"],
    "REASON_EXPLANATIONS": [
        "authz.audit.explanations",
        "authz.dpop.explanations",
        "authz.sign_in.explanations",
        "authz.endpoints.decision_point.explanations",
        "authz.api.framework.explanations",
        "authz.mcp_server.explanations",
        "cimd.explanations",
        "xaa.explanations",
        "xaa.scim.explanations",
        "xaa.signals.sending.explanations",
        "xaa.signals.receiving.explanations",
    ],
    "LIVENESS_CHECKS": ["xaa.liveness", "cimd.liveness"],
    "PASSWORD_CHECKS": ["xaa.subjects.local_passwords"],
    "GROUP_SOURCES": ["xaa.subjects.group_source", "xaa.scim.memberships"],
    "PUBLIC_GRANTS": ["cimd.public_grants", "xaa.trusted_issuers.public_clients"],
    "END_LISTENERS": ["xaa.signals.sending.ends"],
    "CONFIGURATION_SECTIONS": [
        "authz.configuration.users",
        "authz.configuration.clients",
        "authz.configuration.resources",
        "xaa.configuration.trusted_issuers",
        "xaa.configuration.resource_authorization_servers",
        "xaa.configuration.directories",
        "xaa.configuration.signal_receivers",
        "xaa.configuration.signal_sources",
        "authz.configuration.extensions",
        "authz.configuration.rules",
        "authz.configuration.webhooks",
        "cimd.configuration",
        "authz.configuration.audit_destinations",
    ],
    "PERIODIC_TASKS": [
        "authz.operations.housekeeping",
        "cimd.housekeeping",
        "xaa.housekeeping",
        "xaa.signals.sending.delivery",
        "xaa.signals.receiving.polling",
        "xaa.signals.receiving.upkeep",
        "authz.approvals.recertification",
        "authz.approvals.succession",
        "authz.decisions.status_review",
        "authz.notifications.delivery",
        "authz.evidence.sealer",
        "authz.evidence.delivery",
        "authz.evidence.archiver",
        "authz.approvals.reminders",
        "authz.notifications.unusual_calls",
        "authz.audit.counts",
    ],
}

# The hosts of pages. Machine endpoints ignore the Host header altogether (invariant 7).
ALLOWED_HOSTS = sorted({issuers.authority_host(_issuer.hostname or "127.0.0.1"), "127.0.0.1", "localhost", "[::1]"})
CSRF_TRUSTED_ORIGINS = [_origin]
CSRF_FAILURE_VIEW = "authz.endpoints.errors.csrf_failure"

# --- Storage -------------------------------------------------------------------------------------------------------

DATABASES = {"default": {**problems.read(_NOTHING, database, DATABASE_URL)}}
if IS_SQLITE:
    DATABASES["default"]["ENGINE"] = "authz.database.sqlite3"
    DATABASES["default"]["OPTIONS"] = {
        # A write transaction takes its lock at the start: it waits for it instead of failing half way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # WAL with synchronous=FULL: a committed row survives a killed process and a power cut
        # (docs/decisions/0004-durability.md). docs/benchmarks.md compares page sizes and memory mapping.
        "init_command": "PRAGMA page_size=2048; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        " PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-8000;",
    }
else:
    DATABASES["default"]["ENGINE"] = "authz.database.postgresql"
    # A connection attempt to a host that is gone fails within seconds, also without a reply.
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5}
    )
    # A pooler gives each transaction another connection, and a cursor on the server ends with its own.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = GATEHOUSE["DATABASE_POOLER"]
DATABASES["default"]["ATOMIC_REQUESTS"] = False  # Invariant 1: a refusal keeps what it wrote.
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHE_URL = problems.read("", env_url, "CACHE_URL", ("redis", "rediss", "unix"), "redis://cache:6379/0")
# No request waits longer for the cache; after that each process uses its own memory.
CACHE_SECONDS = 0.25
CACHES = {
    "default": {
        "BACKEND": "authz.limits.shared_cache.SharedCache",
        "LOCATION": CACHE_URL,
        "OPTIONS": {"socket_timeout": CACHE_SECONDS, "socket_connect_timeout": CACHE_SECONDS},
    }
    if CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "gatehouse"}
}

# --- Mail ------------------------------------------------------------------------------------------------------------

# Without a mail server, mails of a first try on one machine are written to the log. A server with an https issuer drops
# them, because they hold links to reset a password, and shows them as not sent.
EMAIL_BACKEND = f"django.core.mail.backends.{'dummy' if _https else 'console'}.EmailBackend"
if _email_url := os.environ.get("EMAIL_URL", ""):
    EMAIL_BACKEND = "authz.outbound.mail_transport.EmailBackend"
    globals().update(problems.read(_NOTHING, env_mail_server, _email_url))
# > General-address-literal; IPv6-address-literal = "IPv6:" IPv6-addr (RFC 5321 §4.1.3)
_mail_host = f"[IPv6:{_issuer.hostname}]" if ":" in (_issuer.hostname or "") else _issuer.hostname or "localhost"
_sender = f"Gatehouse <gatehouse@{_mail_host}>"
DEFAULT_FROM_EMAIL = problems.read(_sender, env_sender, "EMAIL_FROM", _sender)
EMAIL_SUBJECT_PREFIX = ""

# --- What follows the issuer -----------------------------------------------------------------------------------------

OAUTH2_PROVIDER = TOOLKIT | {"OIDC_ISS_ENDPOINT": ISSUER}
SESSION_COOKIE_NAME = "__Host-gatehouse-session" if _https else "gatehouse-session"
CSRF_COOKIE_NAME = "__Host-gatehouse-csrf" if _https else "gatehouse-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # TLS may end at a proxy; authz.E002 requires an https issuer
    "oauth2_provider.W008",  # loopback redirects are http (RFC 8252 §7.3); authz/protocol/redirect_uris.py checks them
    # An operator sets none of these: HSTS speaks of this host alone, and authz.E011 judges the secret key.
    "security.W005",
    "security.W009",
    "security.W021",
    # On loopback the issuer may be http; on https these settings follow it.
    *([] if _https else ["security.W004", "security.W011", "security.W012", "security.W016"]),
]

STATIC_ROOT = HOME / "static"  # only for a front server that wants the files collected
# WhiteNoise warns, past the log, of a folder that is not there. In a read-only file system it cannot be made.
with suppress(OSError):
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)

LOG_FORMAT = problems.read("plain", env_choice, "GATEHOUSE_LOG_FORMAT", "plain", "json")
LOGGING = logs.configuration(LOG_FORMAT)
if LOG_FORMAT == "json" and EMAIL_BACKEND.endswith("console.EmailBackend"):
    EMAIL_BACKEND = "authz.notifications.logged_mail.EmailBackend"
_is_said = any("GATEHOUSE_ISSUER" in said for said in problems.found)
if problems.found and not _is_said and (_wrong := issuers.problem(ISSUER)):
    problems.found.append(f"GATEHOUSE_ISSUER {_wrong}")  # a check of its own where the rest is right (authz.E001)
problems.require_none()
