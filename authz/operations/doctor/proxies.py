"""Are the proxies in front of this server named, and do their headers say an address?"""

from collections.abc import Iterator

from authz.conf import conf
from authz.limits import unnamed_proxies, unreadable_headers
from authz.operations.doctor.finding import LATELY, WARNING, Finding


def proxies(now: float) -> Iterator[Finding]:
    """Has an address that is not a trusted proxy sent a proxy's header, or a trusted one an unreadable header?"""
    yield from _unreadable(now)
    seen = unnamed_proxies.last_noted()
    if seen is None or now - seen.failed > LATELY:
        return
    yield Finding(
        WARNING,
        "proxies",
        f"Requests name an address before {seen.failure}, which GATEHOUSE_TRUSTED_PROXIES does not name:"
        f" {seen.failures} in a minute, the last {max(0.0, now - seen.failed) / 60:.0f} minutes ago.",
        f"If {seen.failure} is your proxy, name it: until then all visitors have its address in limits, rules by"
        " network and the audit. If not, a visitor has written the header, which changes nothing.",
    )


def _unreadable(now: float) -> Iterator[Finding]:
    seen = unreadable_headers.last_noted()
    if seen is not None and now - seen.failed <= LATELY:
        yield Finding(
            WARNING,
            "proxies",
            f"{conf.proxy_header} of the trusted proxy {seen.failure} names no address that can be read:"
            f" {seen.failures} in a minute, the last {max(0.0, now - seen.failed) / 60:.0f} minutes ago.",
            "All these visitors count as that proxy. Have it write addresses, not names such as `unknown` or"
            " `_hidden`, or choose the header that it does write (GATEHOUSE_PROXY_HEADER).",
        )
