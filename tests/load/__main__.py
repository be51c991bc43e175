"""`python -m tests.load [KILLS]`: a minute of slowloris and a hundred kills, on the kind of database that
DATABASE_URL names.
"""

import os
import sys
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
django.setup()

from tests.load.drips import drip  # noqa: E402  their organisation stands on the models
from tests.load.kills import kill_again_and_again  # noqa: E402


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        dripped = drip(60.0, Path(directory))
    print(dripped)
    slower = dripped.slower(times=2, slack=0.5)
    if slower or dripped.failed:
        print(*slower, *dripped.failed, sep="\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        outcome = kill_again_and_again(
            times, Path(directory), told=lambda line: print(line, end="\r", file=sys.stderr, flush=True)
        )
    print(outcome)
    return 1 if outcome.lost or outcome.refused else 0


if __name__ == "__main__":
    sys.exit(main())
