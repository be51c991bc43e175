"""System checks, each with an id of its own. Errors stop the server; deploy checks run in `check --deploy`."""

import difflib
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from authz import registry
from authz.conf import as_called, conf
from authz.limits import unnamed_proxies
from authz.protocol import issuers

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SHORTEST_SECRET_KEY = 32
# Tags of what an operator can get wrong. Each command checks the settings first (authz/command_line/execution.py), and
# a start the organisation's own parts, too. Django's checks are of our code, and load all pages: `check` runs them.
SETTINGS, PARTS = "settings", "parts"


@register(SETTINGS)
def issuer(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.E001, E002: the issuer is an https URL in canonical form (RFC 8414 §2)."""
    if problem := issuers.problem(conf.issuer):
        return [Error(f"GATEHOUSE_ISSUER {problem} (it is {conf.issuer!r})", id="authz.E001")]
    parts = urlsplit(conf.issuer)
    # > The authorization server's issuer identifier, which is a URL that uses the "https" scheme (RFC 8414 §2)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        return [Error(f"GATEHOUSE_ISSUER must be https off loopback: {conf.issuer!r}", id="authz.E002")]
    return []


# Kubernetes tells each container of a Service named `gatehouse` by such variables.
_SERVICE = re.compile(r"GATEHOUSE(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_\w+)?)")


@register(SETTINGS)
def unknown_variables(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.W004: a variable of the environment looks like a setting and is none, such as one that is misspelt."""
    # authz/settings.py reads the environment and nothing else does, so what it names is what there is.
    known = re.findall(r"\"(GATEHOUSE_[A-Z_]+)\"", Path(__file__).with_name("settings.py").read_text("utf-8"))
    messages: list[CheckMessage] = []
    for name in sorted(os.environ):
        if name.startswith("GATEHOUSE_") and name not in known and not _SERVICE.fullmatch(name):
            rests = [other.removeprefix("GATEHOUSE_") for other in known]
            near = difflib.get_close_matches(name.removeprefix("GATEHOUSE_"), rests, n=1)
            hint = f"did you mean GATEHOUSE_{near[0]}?" if near else "docs/settings.md lists the settings"
            messages.append(Warning(f"{name} is no setting and has no effect", hint=hint, id="authz.W004"))
    return messages


@register(SETTINGS)
def atomic_requests(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.E003: ATOMIC_REQUESTS would roll back what a refused request wrote (invariant 1)."""
    return [
        Error(f"ATOMIC_REQUESTS must be off for the database {alias!r}", id="authz.E003")
        for alias, database in settings.DATABASES.items()
        if database.get("ATOMIC_REQUESTS")
    ]


@register(PARTS)
def parts(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.E004 to E008, E015: each part in the settings can be loaded and has the right shape."""
    messages: list[CheckMessage] = []
    points: Sequence[tuple[str, str, Callable[[], Any], tuple[str, ...]]] = (
        ("GRANTS", "authz.E004", registry.grants, ("GRANT_TYPE", "redeem")),
        (
            "CLIENT_AUTH_METHODS",
            "authz.E005",
            registry.client_auth_methods,
            ("METHOD", "is_used", "client_id", "authenticate"),
        ),
        ("CLIENT_RESOLVERS", "authz.E006", registry.client_resolvers, ("recognises", "resolve")),
        ("ENDPOINTS", "authz.E007", registry.endpoints, ("urlpatterns",)),
        ("LIVENESS_CHECKS", "authz.E008", registry.liveness_checks, ("is_live", "not_live")),
        ("REASON_EXPLANATIONS", "authz.E015", registry.reason_explanations, ()),
        ("PASSWORD_CHECKS", "authz.E015", registry.password_checks, ("why_no_password",)),
        ("GROUP_SOURCES", "authz.E015", registry.group_sources, ("PREFETCH", "given", "give_way")),
        ("END_LISTENERS", "authz.E015", registry.end_listeners, ("ended", "cut_off", "reinstated", "suspended")),
    )
    for name, check_id, load, members in points:
        try:
            loaded = load()
        except (ImportError, AttributeError) as error:
            messages.append(Error(f"GATEHOUSE[{name!r}] cannot be loaded: {error}", id=check_id))
            continue
        for part in loaded.values() if isinstance(loaded, dict) else loaded:
            missing = [member for member in members if not hasattr(part, member)]
            if missing:
                messages.append(Error(f"{part.__name__} has no {', '.join(missing)}", id=check_id))
    return messages


@register(SETTINGS)
def secret_key_fallbacks(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.E009: a fallback key with a comma is split at it, and ciphertexts under it cannot be read."""
    if any(len(key) < SHORTEST_SECRET_KEY for key in settings.SECRET_KEY_FALLBACKS):
        message = (
            f"each of GATEHOUSE_SECRET_KEY_FALLBACKS needs at least {SHORTEST_SECRET_KEY} characters, and no comma"
        )
        return [Error(message, id="authz.E009")]
    return []


@register(Tags.security, deploy=True)
def debug(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.E010: DEBUG shows secrets in error pages."""
    return [Error("DEBUG must be off", id="authz.E010")] if settings.DEBUG else []


@register(SETTINGS)
def secret_key(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.E011: the secret that encrypts all secrets at rest is long enough."""
    if len(settings.SECRET_KEY) < SHORTEST_SECRET_KEY:
        return [Error(f"{settings.SECRET_KEY_SOURCE} needs at least {SHORTEST_SECRET_KEY} characters", id="authz.E011")]
    return []


@register(Tags.security, deploy=True)
def allow_list(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.W003: an allowed host without roles may also be named by unknown clients' documents."""
    pairs = [pair for pair, roles in conf.outbound_allowed_hosts.items() if roles is None]
    if urlsplit(conf.issuer).scheme != "https" or not pairs:
        return []
    named = sorted(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in pairs)
    message = (
        f"GATEHOUSE_OUTBOUND_ALLOWED_HOSTS names no roles for {', '.join(named)}: unknown clients' documents may make"
        " this server fetch from there, too"
    )
    return [Warning(message, hint=f"name its roles, such as {named[0]}=keys+discovery", id="authz.W003")]


@register(Tags.database, deploy=True)
def signing_keys(app_configs: Any, databases: Any = None, **_: Any) -> list[CheckMessage]:
    """authz.E012 to E014: there is a key for each algorithm, and the secret key decrypts them."""
    from authz import keys
    from authz.database import configuration_cache
    from authz.keys.secrets_at_rest import WrongKeyError
    from authz.protocol.errors import OAuthError

    configuration_cache.forget()
    messages: list[CheckMessage] = []
    for alg in keys.ALGORITHMS:
        try:
            keys.signing_key(alg, time.time())
        except OAuthError:
            messages.append(
                Error(f"there is no signing key for {alg}", hint=as_called("manage.py keys ensure"), id="authz.E012")
            )
        except WrongKeyError:
            hint = "start with the key under which they were made, or name it in GATEHOUSE_SECRET_KEY_FALLBACKS"
            return [Error("GATEHOUSE_SECRET_KEY does not decrypt the signing keys", hint=hint, id="authz.E013")]
        except DatabaseError as error:
            hint = as_called("check DATABASE_URL; if tables are missing: manage.py migrate")
            return [Error(f"the database does not answer: {error}", hint=hint, id="authz.E014")]
    return messages


@register(Tags.security, deploy=True)
def production_database(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.W001: several machines need PostgreSQL."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return [Warning("SQLite serves one machine; use PostgreSQL for several", id="authz.W001")]
    return []


@register(Tags.security, deploy=True)
def trusted_proxies(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """authz.W002: behind a proxy that is not named, all visitors share one address."""
    if unnamed_proxies.stands_for_all_visitors():
        message = "TLS ends at a proxy, and GATEHOUSE_TRUSTED_PROXIES names none: all visitors share one address"
        hint = "name its addresses; until then limits by address are twenty times looser, and rules by network see it"
        return [Warning(message, hint=hint, id="authz.W002")]
    return []
