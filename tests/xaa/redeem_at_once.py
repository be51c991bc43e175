"""Redeem one assertion many times at once, from several threads of this process; one status and error a line.

Run by tests/attacks/test_xaa_replay.py, several processes at a time. Each says that it is ready, is told a moment, and
waits for it.
"""

import json
import sys
import threading
import time
from urllib.parse import urlencode

import django

django.setup()

from django.db import connection  # noqa: E402  after setup
from django.test import Client as Browser  # noqa: E402

from tests.support.world import basic_header  # noqa: E402
from tests.xaa.company import AGENT, JWT_BEARER  # noqa: E402


def main() -> None:
    assertion, threads = sys.argv[1], int(sys.argv[2])
    print("ready", flush=True)
    moment = float(sys.stdin.readline())
    answers: list[str] = []

    def redeem() -> None:
        browser = Browser(SERVER_NAME="127.0.0.1")
        headers = {"authorization": basic_header(*AGENT)}
        body = urlencode({"grant_type": JWT_BEARER, "assertion": assertion})
        while time.time() < moment:
            time.sleep(0.002)
        response = browser.post("/o/token", body, headers=headers, content_type="application/x-www-form-urlencoded")
        answers.append(f"{response.status_code} {json.loads(response.content).get('error', 'issued')}")
        connection.close()

    running = [threading.Thread(target=redeem) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print("\n".join(answers))


main()
