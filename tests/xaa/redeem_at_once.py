"""Redeem one assertion many times at once, from several threads of several processes.

One line each: its status, and its error or its token's id.

    python -m tests.xaa.redeem_at_once ASSERTION PROCESSES THREADS

Run by tests/attacks/test_xaa_replay.py. The processes are forked from this one, as a server's are, and wait for the
same moment.
"""

import json
import os
import sys
import threading
import time
from urllib.parse import urlencode

import django

django.setup()

from django.db import connection  # noqa: E402  after setup
from django.test import Client as Browser  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from tests.support.world import basic_header, claims  # noqa: E402
from tests.xaa.company import AGENT, JWT_BEARER  # noqa: E402

# Seconds until all of them are there.
SOON = 0.5


def main(assertion: str, processes: int, threads: int) -> int:
    assert get_resolver().url_patterns  # loaded once, for all of them
    moment = time.time() + SOON
    children = []
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            redeem_at(moment, assertion, threads)
            os._exit(0)
        children.append(pid)
    return max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)


def redeem_at(moment: float, assertion: str, threads: int) -> None:
    answers: list[str] = []

    def redeem() -> None:
        browser = Browser(SERVER_NAME="127.0.0.1")
        headers = {"authorization": basic_header(*AGENT)}
        body = urlencode({"grant_type": JWT_BEARER, "assertion": assertion})
        while time.time() < moment:
            time.sleep(0.002)
        response = browser.post("/o/token", body, headers=headers, content_type="application/x-www-form-urlencoded")
        body = json.loads(response.content)
        said = body.get("error") or claims(body["access_token"])["jti"]
        answers.append(f"{response.status_code} {said}")
        connection.close()

    running = [threading.Thread(target=redeem) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    os.write(1, ("\n".join(answers) + "\n").encode())  # at once: the others write to the same place


sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
