"""`python -m tests.bench.growth_searches`: the searches of the audit explorer on the database of DATABASE_URL, as an
administrator makes them. Prints as JSON, for each, the milliseconds of this process and, on PostgreSQL, the blocks of 8
KiB that the statements about the audit touched: both say the same on a machine with other work.
"""

import json
import time
from statistics import median
from typing import Any
from urllib.parse import urlencode

LOOKS = 5


def main() -> None:
    import django

    django.setup()
    from django.core.cache import cache
    from django.db import connection
    from django.test import Client as Browser
    from django.test.utils import CaptureQueriesContext
    from django.urls import reverse

    from authz.conf import conf
    from authz.models import Authorization, User

    alice = User.objects.get(username="alice")
    some = Authorization.objects.filter(client__client_id__startswith="load-agent").select_related("client", "user")
    of = some.order_by("pk")[4711]
    assert of.user is not None
    searches = {
        "an agent": {"q": f"client:{of.client.client_id}"},
        "a person": {"q": f"person:{of.user.subject}"},
        "an authorization": {"q": f"authorization:{of.pk}"},
        "a reason": {"reason": "client_secret_wrong"},
        "refusals of 30 days": {"period": "30d", "outcome": "refused"},
        "an event's name": {"event": "configuration:object:created"},
        "the newest": {},
        "the last 24 hours": {"period": "24h"},
    }
    browser = Browser(headers={"host": conf.origin.partition("//")[2]})
    browser.force_login(alice, backend="authz.sign_in.password_backend.PasswordBackend")
    found: dict[str, tuple[float, int]] = {}
    for name, asked in searches.items():
        looks = []
        for _ in range(LOOKS):
            cache.clear()
            began = time.process_time()
            with CaptureQueriesContext(connection) as captured:
                answer = browser.get(f"{reverse('admin:authz_auditevent_changelist')}?{urlencode(asked)}")
            looks.append((time.process_time() - began) * 1000)
            assert answer.status_code == 200, (name, answer.status_code)
        blocks = sum(_blocks(connection, one["sql"]) for one in captured.captured_queries)
        found[name] = median(looks), blocks
    print(json.dumps(found))


def _blocks(connection: Any, sql: str) -> int:
    """That the statement touches, if it is about the audit."""
    if (
        connection.vendor != "postgresql"
        or "authz_auditevent" not in sql
        or not sql.startswith(("SELECT", "WITH", "\n"))
    ):
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}".replace("%", "%%"), [])
        (plan,) = cursor.fetchone()[0]
    return int(plan["Plan"]["Shared Hit Blocks"]) + int(plan["Plan"]["Shared Read Blocks"])


if __name__ == "__main__":
    main()
