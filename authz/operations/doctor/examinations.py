"""All examinations, and how they are run."""

import time
from collections.abc import Callable, Iterator, Mapping

from django.apps import apps
from django.utils.module_loading import import_string

from authz.database import configuration_cache
from authz.operations.doctor import fapi2
from authz.operations.doctor.audits import evidence
from authz.operations.doctor.clocks import clock
from authz.operations.doctor.databases import database, disk, installed_triggers, shared_cache, unreachable
from authz.operations.doctor.finding import ERROR, Examination, Finding
from authz.operations.doctor.own_extensions import extensions
from authz.operations.doctor.proxies import proxies
from authz.operations.doctor.services import agents, configuration, mail, periodic_tasks
from authz.operations.doctor.stored_keys import signing_keys, stored_secrets

# What `--profile` may name: examinations of the configuration's shape, not of the installation.
PROFILES: Mapping[str, Callable[[], Mapping[str, Examination]]] = {fapi2.NAME: fapi2.examinations}


def examine(now: Callable[[], float] = time.time, profile: str = "") -> dict[str, list[Finding]]:
    """All findings by what was examined; an empty list means that all is well. Changes nothing."""
    configuration_cache.forget()
    if gone := list(_survived("database", unreachable)):
        return {"database": gone}
    looks = PROFILES[profile]() if profile else _examinations(now)
    return {about: list(_survived(about, look)) for about, look in looks.items()}


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
        "extensions": lambda: extensions(now()),
        "mail": mail,
    }
    for app in apps.get_app_configs():
        for about, dotted in getattr(app, "EXAMINATIONS", {}).items():
            own[about] = import_string(dotted)
    return own


def _survived(about: str, look: Examination) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # one that fails must not hide what the others find
        yield Finding(
            ERROR,
            about,
            f"It cannot be examined: {type(error).__name__}: {str(error)[:200]}",
            "Mend the database first (`manage.py migrate`).",
        )
