"""`python -m tests.load [KILLS]`: a hundred kills, on the kind of database that DATABASE_URL names."""

import os
import sys
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
django.setup()

from tests.load.kills import kill_again_and_again  # noqa: E402  its organisation stands on the models


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as directory:
        outcome = kill_again_and_again(
            times, Path(directory), told=lambda line: print(line, end="\r", file=sys.stderr, flush=True)
        )
    print(outcome)
    return 1 if outcome.lost or outcome.refused else 0


if __name__ == "__main__":
    sys.exit(main())
