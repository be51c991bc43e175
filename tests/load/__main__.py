"""`python -m tests.load [KILLS [CUTS]]`: a minute of all grants, one of slowloris, a hundred kills, on SQLite twenty
power cuts, on the kind of database that DATABASE_URL names.
"""

import os
import sys
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
django.setup()

from django.conf import settings  # noqa: E402

from tests.load.drips import drip  # noqa: E402  their organisation stands on the models
from tests.load.kills import kill_again_and_again  # noqa: E402
from tests.load.mix import mix  # noqa: E402
from tests.load.power_cuts import cut_again_and_again  # noqa: E402


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        mixed = mix(60, Path(directory))
    print(mixed)
    if not mixed.is_complete:
        return 1
    kills, cuts = (int(sys.argv[at]) if len(sys.argv) > at else most for at, most in ((1, 100), (2, 20)))
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        dripped = drip(60.0, Path(directory))
    print(dripped)
    slower = dripped.slower(times=2, slack=0.5)
    if slower or dripped.failed:
        print(*slower, *dripped.failed, sep="\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        killed = kill_again_and_again(kills, Path(directory), told=_tell)
    print(killed)
    if killed.lost or killed.refused:
        return 1
    return _cut(cuts) if settings.IS_SQLITE else 0


def _cut(times: int) -> int:
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        outcome = cut_again_and_again(times, Path(directory), told=_tell)
    print(outcome)
    return 1 if outcome.lost else 0


def _tell(line: str) -> None:
    print(line, end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
