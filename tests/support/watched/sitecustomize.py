"""Loaded by Python at start-up, in every process of a server under attack (PYTHONPATH names this folder).

The resolver answers from WATCHED_NAMES, a JSON file of name → answers, one list of addresses after the other (the last
one stays): that is how a name is rebound. Every address that a socket is told to connect to is appended to WATCHED_LOG.
"""

import json
import os
import socket
from collections import Counter
from pathlib import Path
from typing import Any

_asked: Counter[str] = Counter()
_getaddrinfo = socket.getaddrinfo
_connect = socket.socket.connect


def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    names = json.loads(Path(os.environ["WATCHED_NAMES"]).read_text())
    if host not in names:
        return _getaddrinfo(host, port, *args, **kwargs)
    answers = names[host]
    addresses = answers[min(_asked[host], len(answers) - 1)]
    _asked[host] += 1
    families = {True: socket.AF_INET6, False: socket.AF_INET}
    return [(families[":" in address], socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def connect(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6}:
        with Path(os.environ["WATCHED_LOG"]).open("a") as log:
            log.write(f"{address[0]}|{address[1]}\n")
        if address[0] not in {"127.0.0.1", "::1"}:
            raise ConnectionRefusedError  # counted, and not done: tests leave this machine alone
    _connect(self, address)


if "WATCHED_LOG" in os.environ:
    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = connect  # type: ignore[method-assign]
