"""What is wrong with this installation, and what to do about it: `manage.py doctor`.

Each examination looks at one thing and yields findings; one that breaks is a finding itself. Rooms name theirs in
`EXAMINATIONS` of their AppConfig, as dotted names of functions of the same shape.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from shutil import disk_usage

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.cache import cache
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError

from authz import keys, registry
from authz.clients import identifiers
from authz.conf import conf
from authz.database import configuration_cache
from authz.evidence import targets
from authz.evidence.status import unsealed
from authz.keys import reencryption
from authz.keys.secrets_at_rest import WrongKeyError
from authz.limits import unnamed_proxies, unreadable_headers
from authz.models import AuditArchive, AuditDestination, PeriodicTask, SigningKey, triggers
from authz.protocol.errors import OAuthError

ERROR, WARNING = "error", "warning"
# Seconds by which clocks may differ: assertions are allowed 30 (authz/protocol/jwts.py).
SKEW, SKEW_WORTH_A_WORD = 30.0, 5.0
# Bytes. A backup of SQLite is a second copy; below this there is hardly a day left.
LEAST_FREE = 512 * 1024 * 1024
OLDEST_POSTGRESQL = 14_00_00
# A key that has signed for longer should have a successor.
OLDEST_KEY = timedelta(days=365)
# A task is late when it was due so long ago, whatever it is.
LATE = 300.0
# Of what is wrong in one way, so many are named.
SHOWN = 20
# A header of a proxy that is not named is worth a word for a day.
LATELY = 86_400.0
# Events are sealed every five seconds.
UNSEALED = 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is error or warning, `about` what was examined; `says` what is wrong and `do` what to do about it."""

    level: str
    about: str
    says: str
    do: str


Examination = Callable[[], Iterator[Finding]]


def examine(now: Callable[[], float] = time.time) -> dict[str, list[Finding]]:
    """Everything, by what was examined; an empty list is good health. Changes nothing."""
    configuration_cache.forget()
    if gone := list(_survived("database", unreachable)):
        return {"database": gone}
    return {about: list(_survived(about, look)) for about, look in _examinations(now).items()}


def _examinations(now: Callable[[], float]) -> dict[str, Examination]:
    own: dict[str, Examination] = {
        "configuration": configuration,
        "database": database,
        "triggers": installed_triggers,
        "disk": disk,
        "clock": lambda: clock(now),
        "proxies": lambda: proxies(now()),
        "cache": shared_cache,
        "agents": agents,
        "signing keys": lambda: signing_keys(now()),
        "secrets": stored_secrets,
        "periodic tasks": lambda: periodic_tasks(now()),
        "audit": evidence,
        "mail": mail,
    }
    for app in apps.get_app_configs():
        for about, dotted in getattr(app, "EXAMINATIONS", {}).items():
            module, _, name = dotted.rpartition(".")
            own[about] = getattr(import_module(module), name)
    return own


def _survived(about: str, look: Examination) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # a doctor who faints helps nobody
        yield Finding(
            ERROR,
            about,
            f"It cannot be examined: {type(error).__name__}: {str(error)[:200]}",
            "See to what is said of the database first (`manage.py migrate`).",
        )


# --- What is examined -----------------------------------------------------------------------------------------------


def unreachable() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        yield Finding(
            ERROR,
            "database",
            f"It does not answer: {error}",
            "See to it and to DATABASE_URL. Nothing is issued until it answers; then the server goes on by itself, and"
            " everything else can be examined.",
        )


def configuration() -> Iterator[Finding]:
    for message in checks.run_checks(include_deployment_checks=True, databases=["default"]):
        if not message.is_silenced() and message.level >= checks.WARNING:
            level = ERROR if message.level >= checks.ERROR else WARNING
            yield Finding(
                level, "configuration", f"{message.id}: {message.msg}", message.hint or "See docs/settings.md."
            )


def database() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = [f"{migration.app_label} {migration.name}" for migration, _ in plan]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        says = f"Migrations are missing: {', '.join(names[:5])}{more}."
        yield Finding(ERROR, "database", says, "Run `manage.py migrate`.")
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode")
            if (mode := cursor.fetchone()[0]) != "wal":
                yield Finding(
                    ERROR,
                    "database",
                    f"SQLite's journal is {mode!r}, not WAL: readers and writers block each other.",
                    "Put the database on a local disk (a network file system has no WAL) and start again.",
                )
        elif connection.pg_version < OLDEST_POSTGRESQL:  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it
            yield Finding(ERROR, "database", "PostgreSQL is older than 14.", "Upgrade it; Django 5.2 needs 14.")


def installed_triggers() -> Iterator[Finding]:
    if names := triggers.missing(using="default"):
        yield Finding(
            ERROR,
            "triggers",
            f"Triggers are missing or were changed: {', '.join(names)}. Without them processes go on deciding by what"
            " they remember, and the audit can be rewritten.",
            "Run `manage.py migrate`, which installs them, then `manage.py audit verify`; find out who dropped them.",
        )


def disk() -> Iterator[Finding]:
    if connection.vendor != "sqlite" or (path := Path(str(connection.settings_dict["NAME"]))).parent == Path():
        return
    free, size = disk_usage(path.parent).free, path.stat().st_size
    if free < LEAST_FREE + size:
        yield Finding(
            WARNING,
            "disk",
            f"{free // 2**20} MB are free beside a database of {size // 2**20} MB; a backup needs as much again.",
            "Make room, or archive the audit's sealed segments elsewhere (docs/operations.md).",
        )


def clock(now: Callable[[], float]) -> Iterator[Finding]:
    if connection.vendor != "postgresql":
        return  # SQLite has our own
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        yield from skew("the database", float(cursor.fetchone()[0]), now(), about="clock")


def skew(whose: str, theirs: float, ours: float, *, about: str) -> Iterator[Finding]:
    """What is to be said about another's clock."""
    apart = abs(theirs - ours)
    if apart > SKEW_WORTH_A_WORD:
        yield Finding(
            ERROR if apart > SKEW else WARNING,
            about,
            f"The clock of {whose} is {apart:.0f} s {'ahead of' if theirs > ours else 'behind'} ours.",
            "Let both be set by NTP. Beyond 30 s assertions are refused, and tokens end at the wrong time; a node whose"
            " clock is more than a minute apart from the database's is not ready, and tidies nothing.",
        )


def proxies(now: float) -> Iterator[Finding]:
    """Has somebody whom the settings do not name written a proxy's header, or a trusted one one that says nothing?"""
    yield from _unreadable(now)
    seen = unnamed_proxies.last_noted()
    if seen is None or now - seen.failed > LATELY:
        return
    yield Finding(
        WARNING,
        "proxies",
        f"Requests name an address before {seen.failure}, which GATEHOUSE_TRUSTED_PROXIES does not name:"
        f" {seen.failures} in a minute, the last {max(0.0, now - seen.failed) / 60:.0f} minutes ago.",
        f"If {seen.failure} is your proxy, name it: until then all visitors have its address in limits, rules by"
        " network and the audit. If not, a visitor has written the header, which changes nothing.",
    )


def _unreadable(now: float) -> Iterator[Finding]:
    seen = unreadable_headers.last_noted()
    if seen is not None and now - seen.failed <= LATELY:
        yield Finding(
            WARNING,
            "proxies",
            f"{conf.proxy_header} of the trusted proxy {seen.failure} names no address that can be read:"
            f" {seen.failures} in a minute, the last {max(0.0, now - seen.failed) / 60:.0f} minutes ago.",
            "All these visitors count as that proxy. Have it write addresses, not names such as `unknown` or"
            " `_hidden`, or choose the header that it does write (GATEHOUSE_PROXY_HEADER).",
        )


def shared_cache() -> Iterator[Finding]:
    if not settings.CACHE_URL:
        return
    try:
        # The cache itself would answer from this process's memory.
        cache.ping()  # type: ignore[attr-defined]  # with CACHE_URL it is SharedCache
    except (RedisError, OSError) as error:
        yield Finding(
            ERROR,
            "cache",
            f"Redis or Valkey does not answer: {error}",
            "See to it and to CACHE_URL. Meanwhile tokens are issued, and each process counts alone: rate limits are as"
            " many times looser as there are processes.",
        )


def signing_keys(now: float) -> Iterator[Finding]:
    for alg in keys.ALGORITHMS:
        try:
            key = keys.signing_key(alg, now)
        except OAuthError:
            yield Finding(ERROR, "signing keys", f"No {alg} key signs.", "Run `manage.py keys ensure`.")
            continue
        except WrongKeyError:
            yield Finding(
                ERROR,
                "signing keys",
                "None of our secret keys opens the signing keys, so no token can be issued.",
                "Start with the GATEHOUSE_SECRET_KEY that they were made under, or give it as a fallback.",
            )
            return
        successors = SigningKey.objects.filter(alg=alg, retired=None).exclude(kid=key.kid)
        if key.retired is not None and not successors.exists():
            ends = datetime.fromtimestamp(key.retired, UTC)
            yield Finding(
                ERROR,
                "signing keys",
                f"The {alg} key {key.kid} stops signing at {ends:%Y-%m-%d %H:%M} UTC, and no other follows.",
                f"Run `manage.py keys rotate {alg}` at least two hours before.",
            )
        elif now - key.signs_from > OLDEST_KEY.total_seconds():
            yield Finding(
                WARNING,
                "signing keys",
                f"The {alg} key {key.kid} has signed for more than a year.",
                f"Run `manage.py keys rotate {alg}`; nobody has to be told.",
            )


def stored_secrets() -> Iterator[Finding]:
    if names := reencryption.unreadable():
        yield Finding(
            ERROR,
            "secrets",
            f"None of our secret keys opens {len(names)} stored secrets: {', '.join(names[:5])}.",
            "Give the key that they were encrypted under in GATEHOUSE_SECRET_KEY_FALLBACKS.",
        )
    if settings.SECRET_KEY_FALLBACKS and (left := reencryption.left()):
        yield Finding(
            WARNING,
            "secrets",
            f"{left} stored secrets are still under another key than the current one.",
            "When all nodes have the new key: `manage.py keys reencrypt`.",
        )


def agents() -> Iterator[Finding]:
    """Is any named like somebody or something else? They were made before that was refused."""
    found = list(identifiers.mistaken_clients())
    for client_id, problem in found[:SHOWN]:
        yield Finding(
            ERROR,
            "agents",
            f"The client_id {client_id} {problem}.",
            "Register it anew under another id, and retire this one: a resource server may take the one for the other.",
        )
    if len(found) > SHOWN:
        yield Finding(ERROR, "agents", f"{len(found) - SHOWN} more client_ids are like them.", "See above.")


_RUN_THEM = "`python -m authz.serving` runs them beside its workers; with another server run `manage.py periodic`."


def periodic_tasks(now: float) -> Iterator[Finding]:
    rows = {row.name: row for row in PeriodicTask.objects.all()}
    for name, task in registry.periodic_tasks().items():
        row = rows.get(name)
        if row is None or now - row.due > LATE + task.EVERY:
            when = "never ran" if row is None or not row.due else f"was due {(now - row.due) / 60:.0f} minutes ago"
            yield Finding(ERROR, "periodic tasks", f"{name} {when}.", _RUN_THEM)
        elif row.due > now + task.EVERY + LATE:
            later = (row.due - now) / 60
            says = f"{name} is put off for {later:.0f} minutes: a clock was ahead, and nothing has run since."
            yield Finding(ERROR, "periodic tasks", says, _RUN_THEM)
        elif row.failures:
            yield Finding(
                ERROR,
                "periodic tasks",
                f"{name} has failed {row.failures} times in a row: {row.failure}",
                "The log of the `periodic` process has the whole story. It is tried again when it is next due.",
            )


def evidence() -> Iterator[Finding]:
    """Is the audit sealed, told and archived as it should be? (Whether it is what was sealed says `audit verify`.)"""
    waiting, lag = unsealed()
    if lag > UNSEALED:
        yield Finding(
            ERROR,
            "audit",
            f"{waiting} events wait for their seal, the oldest for {lag / 60:.0f} minutes.",
            "See what is said of the periodic task authz.evidence.sealer. On PostgreSQL a transaction that wrote and"
            " does not end holds it up: look into pg_stat_activity.",
        )
    for row in AuditDestination.objects.filter(enabled=True, failures__gt=0):
        yield Finding(
            WARNING,
            "audit",
            f"{row.name} ({row.to}) has refused {row.failures} deliveries in a row: {row.failure}",
            "See to the other side. Nothing is lost, and it is tried again by itself; but nothing is archived before it"
            " was told. If it is gone for good, switch it off (`enabled: false`).",
        )
    yield from _directory()


def _directory() -> Iterator[Finding]:
    """Where archives and files go, if anything goes there."""
    archived = AuditArchive.objects.order_by("-start").values_list("file", flat=True)
    told = AuditDestination.objects.filter(enabled=True).values_list("to", flat=True)
    if not conf.audit_retention_days and not archived.exists() and not any(map(targets.is_file, told)):
        return
    folder = conf.audit_directory
    if missing := [name for name in archived if not (folder / name).exists()]:
        yield Finding(
            ERROR,
            "audit",
            f"{len(missing)} archives are not in {folder}, such as {missing[0]}.",
            "Bring them back, or name the directory that they are in (GATEHOUSE_AUDIT_DIRECTORY). Until then the events"
            " in them cannot be proved, and no more are removed from the database.",
        )
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        yield Finding(
            ERROR,
            "audit",
            f"Nobody may write to {there}.",
            f"Give the server's account the right to write to {folder}.",
        )
    elif (free := disk_usage(there).free) < LEAST_FREE:
        yield Finding(
            WARNING, "audit", f"{free // 2**20} MB are free in {folder}.", "Make room: archives and files grow there."
        )


def mail() -> Iterator[Finding]:
    if not settings.EMAIL_BACKEND.endswith(("mail_transport.EmailBackend", "smtp.EmailBackend")):
        return
    try:
        mailer = get_connection()
        mailer.open()
        mailer.close()
    except OSError as error:
        yield Finding(
            WARNING,
            "mail",
            f"The mail server does not take us: {error}",
            "See to EMAIL_URL: host, port, name, password.",
        )
