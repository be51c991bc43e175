"""Messages to a syslog server over TLS (RFC 5425)."""

import ssl

import requests

from authz.conf import conf
from authz.database.concurrency import may_block
from authz.database.transactions import require_no_transaction
from authz.outbound.deadlines import Deadline
from authz.outbound.destinations import checked_addresses, parse
from authz.outbound.measured import measured
from authz.outbound.pinned_connection import connected, ended
from authz.outbound.roles import Cause, OutboundError, Role


def deliver(role: Role, host: str, port: int, payload: bytes) -> None:
    """Write `payload` to a TLS connection of its own, and wait until the other side has closed it in order.

    The protocol has no answer. When the other side closes after us, it has read everything before: it says no more than
    that. Raises `OutboundError`, and RuntimeError while a transaction is open.
    """
    require_no_transaction()
    may_block()
    with measured(role):
        _deliver(role, host, port, payload)


def _deliver(role: Role, host: str, port: int, payload: bytes) -> None:
    target = parse(f"https://{host}:{port}", role)
    context = ssl.create_default_context(cafile=conf.outbound_ca_bundle or requests.utils.DEFAULT_CA_BUNDLE_PATH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with Deadline(role.limits.seconds) as deadline:
        addresses = checked_addresses(target, deadline)
        try:
            with (
                connected(addresses, target.port, deadline) as sock,
                context.wrap_socket(sock, server_hostname=target.host.strip("[]")) as tls,
            ):
                tls.settimeout(deadline.left())
                tls.sendall(payload)
                tls.settimeout(deadline.left())
                _close_in_order(tls)
                deadline.check()  # a close that the watchdog made is none of theirs
        except OSError as error:
            raise OutboundError(_cause_of_socket(error, deadline)) from error


def _cause_of_socket(error: OSError, deadline: Deadline) -> Cause:
    if (end := ended(deadline)) is not None:
        return end
    if isinstance(error, TimeoutError):
        return Cause.TIMEOUT
    return Cause.TLS if isinstance(error, ssl.SSLError) else Cause.PROTOCOL


def _close_in_order(tls: ssl.SSLSocket) -> None:
    # > Once the transport receiver gets a close_notify from the transport sender, it MUST reply with a close_notify
    # > (RFC 5425 §4.4)
    try:
        tls.unwrap().close()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return  # it closed the connection instead, which a kernel that still held unread bytes would have reset
