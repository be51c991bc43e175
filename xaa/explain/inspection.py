"""An issuer before it is trusted: what it publishes, and what it has to know of this server."""

from collections.abc import Iterator
from dataclasses import dataclass

from authz.conf import conf
from xaa.openid import backchannel_logout
from xaa.sign_in.adapter import provider_id
from xaa.sign_in.provider import callback_url
from xaa.trusted_issuers import metadata_check
from xaa.trusted_issuers.metadata_check import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """`redirect_uri` is registered at the issuer for signing in, `audience` is the `aud` of its other assertions."""

    issuer: str
    findings: tuple[Judged, ...]
    is_usable: bool
    redirect_uri: str
    audience: str
    logout_uri: str

    def lines(self) -> Iterator[str]:
        marks = {metadata_check.GOOD: "  ok  ", metadata_check.WARNING: "  --  ", metadata_check.ERROR: "  NO  "}
        for found in self.findings:
            yield f"{marks[found.level]} {found.sentence}"
        yield f"Redirect URI: {self.redirect_uri}"
        yield f"Back-channel logout URI: {self.logout_uri}"
        yield f"Audience: {self.audience}"


def inspect(issuer: str) -> Inspection:
    """Ask the issuer, as the console does before people sign in by it."""
    report = metadata_check.check(issuer, signs_in=True)
    return Inspection(
        issuer=issuer,
        findings=report.findings,
        is_usable=report.is_usable,
        redirect_uri=callback_url(provider_id(issuer)),
        audience=conf.issuer,
        logout_uri=backchannel_logout.address(),
    )
