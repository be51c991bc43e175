"""What a server loads of the configuration that `rows.make` puts back: loaded once a session, then remembered.

It is made of the same rows each time, and loading them takes longer than what most tests ask of it: 12 of 20 ms of
processor time of a client's first token. What is remembered counts only while the database holds exactly that, which
the generation says (authz/database/configuration_cache.py), and under the same settings.
"""

import pickle
from collections.abc import Callable, Hashable
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connection

from authz import conf
from authz.database import configuration_cache

# What is made of those rows alone: no clock, and nothing that triggers write, as the number of a rule's latest change.
# Rows of models are copied, because a test may change one.
COPIED = {"resources", "client"}
SHARED = {"signing keys", "signer", "trusted issuers"}
# Where the server writes: another folder in each test, and no part of what it loads.
_FOLDERS = ("audit_directory", "run_directory")
# Tables that are empty where there is no configuration.
_TABLES = ("authz_client", "authz_protectedresource", "authz_rule", "authz_signingkey", "xaa_trustedissuer")

_Made = tuple[Callable[[], object], ...]
_remembered: dict[tuple[_Made, str], dict[Hashable, Any]] = {}


class _Here:
    """The configuration of the test that runs: by what it was made, under which settings, and its generation."""

    made: _Made | None = ()
    under = ""
    generation: int | None = None


def forget() -> None:
    """A test begins or ends: nothing is cached, and nothing was made."""
    _Here.made, _Here.generation = (), None
    configuration_cache.forget()


def is_as_made() -> bool:
    """Whether the database holds what was put back so far and nothing else; at first, no configuration at all."""
    if not connection.in_atomic_block:  # a test that commits, or another thread of one that does not
        return False
    if _Here.made:
        return _generation() == _Here.generation
    if _Here.made is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT 1 FROM {table}" for table in _TABLES))  # noqa: S608  names of ours
        return cursor.fetchone() is None


def put_back(by: Callable[[], object], *, was_as_made: bool) -> None:
    """`by` has been."""
    if not was_as_made or _Here.made is None:
        _Here.made = None
        return
    _Here.made, _Here.under = (*_Here.made, by), _settings()
    _Here.generation = _generation()


def _generation() -> int | None:
    """Past what counts a test's statements."""
    row = connection.connection.execute(configuration_cache._GENERATION).fetchone()
    return row[0] if row else None


def _settings() -> str:
    values = {name: value for name, value in asdict(conf.current()).items() if name not in _FOLDERS}
    return repr((sorted(values.items()), settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS))


_load = configuration_cache._load


def _load_or_remember(snapshot: Any, key: Hashable, load: Callable[[], Any]) -> Any:
    kind = key[0] if isinstance(key, tuple) else key
    if kind not in COPIED | SHARED or not _Here.made or not is_as_made():
        return _load(snapshot, key, load)
    of = _remembered.setdefault((_Here.made, _Here.under), {})
    if key in of:
        value = of[key]
        return _load(snapshot, key, lambda: pickle.loads(value) if kind in COPIED else value)  # noqa: S301  our own
    value = _load(snapshot, key, load)
    if is_as_made():
        of[key] = pickle.dumps(value) if kind in COPIED else value
    return value


def _settings_changed(**_: object) -> None:
    if _Here.made and _settings() != _Here.under:
        _Here.made = None


configuration_cache._load = _load_or_remember
setting_changed.connect(_settings_changed)
