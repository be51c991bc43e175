"""An issuer's keys in words: those in the configuration, and when the others were fetched."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz.console.widgets.display import chip, when
from authz.console.widgets.tasks import many
from authz.protocol import jwks
from xaa.models import (
    IssuerHealth,
    TrustedIssuer,
)


def inline_line(row: TrustedIssuer) -> SafeString:
    """The keys in the configuration, with those that are passed over."""
    if not row.jwks:
        return SafeString("")
    found = jwks.read(row.jwks)
    told = [
        many(len(found.keys), "1 inline key", "{} inline keys"),
        *(f"passed over {one}" for one in found.passed_over),
    ]
    return format_html("<span>{}</span> · ", "; ".join(told))


def health_line(health: IssuerHealth | None) -> SafeString | str:
    """When the keys were fetched and will be again, and what went wrong."""
    if health is None:
        return "never asked for"
    line = format_html(
        "{}, fetched {}, next {}",
        many(health.keys, "1 key", "{} keys"),
        when(health.fetched),
        when(health.next_fetch, never="when they are asked for"),
    )
    if health.passed_over:
        line = format_html("{}; passed over {}", line, "; ".join(health.passed_over))
    if not health.failures:
        return format_html("<span>{}</span>", line)
    failed = many(health.failures, "1 failure", "{} failures")
    return format_html("<span>{} {} {}</span>", line, chip(failed, "bad"), health.failure)
