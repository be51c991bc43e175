"""Delivery of the audit to a syslog server over TLS."""

import json
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

from authz.evidence import delivery
from authz.models import AuditDestination
from tests.evidence.collectors import CA, again, allow, destination


class SyslogServer:
    """Reads what comes over TLS until the other side closes; and closes in order, if it is well-behaved."""

    def __init__(self, *, closes: bool = True) -> None:
        self.closes = closes
        self.received: list[bytes] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CA.issue_cert("localhost").configure_cert(self.context)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
                with self.context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as tls:
                    data = b""
                    while more := tls.recv(65536):
                        data += more
                        if not self.closes and len(data) > 100:
                            # It goes down with all that it had not read.
                            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                            break
                    if self.closes:
                        self.received.append(data)
                        tls.unwrap()
            except (OSError, ValueError):
                if self.listener.fileno() == -1:
                    return

    def messages(self) -> list[str]:
        found: list[str] = []
        left = b"".join(self.received)
        while left:
            length, _, rest = left.partition(b" ")
            found.append(rest[: int(length)].decode("ascii"))
            left = rest[int(length) :]
        return found


def test_syslog_over_tls_gets_octet_counted_frames(sealed: list[int], tmp_path: Path, settings: Any) -> None:
    server = SyslogServer()
    allow(settings, tmp_path, server.port)
    destination(f"syslog+tls://localhost:{server.port}", "ocsf")
    delivery.run()
    server.listener.close()
    row = AuditDestination.objects.get()
    assert (row.failure, row.position) == ("", 31)
    messages = server.messages()
    assert [json.loads(message.partition("] ")[2])["metadata"]["uid"] for message in messages] == list(map(str, sealed))
    assert messages[0].startswith("<110>1 ")
    assert ' token:access:issued [meta sequenceId="1"] {' in messages[0]


def test_a_syslog_server_that_goes_down_in_a_batch_gets_it_again(
    sealed: list[int], tmp_path: Path, settings: Any
) -> None:
    server = SyslogServer(closes=False)
    allow(settings, tmp_path, server.port)
    destination(f"syslog+tls://localhost:{server.port}", "cef")
    delivery.run()
    assert AuditDestination.objects.get().position == 0
    server.closes = True
    assert again().position == 31
    server.listener.close()
    assert len(server.messages()) == 31


def test_a_syslog_server_without_a_trusted_certificate_gets_nothing(
    sealed: list[int], tmp_path: Path, settings: Any
) -> None:
    server = SyslogServer()
    allow(settings, tmp_path, server.port)
    settings.GATEHOUSE = {**settings.GATEHOUSE, "OUTBOUND_CA_BUNDLE": None}
    destination(f"syslog+tls://localhost:{server.port}", "cef")
    delivery.run()
    server.listener.close()
    assert "tls" in AuditDestination.objects.get().failure
    assert server.messages() == []
