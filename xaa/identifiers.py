"""What of this app bears an identifier, so that no client is named like it (authz/clients/identifiers.py)."""

from authz.clients.identifiers import spelt
from xaa.models import ResourceAuthorizationServer, SubjectLink, TrustedIssuer


def bearer(identifier: str) -> str:
    """What it is, such as “a trusted issuer”; "" if it is nothing of this app."""
    if TrustedIssuer.objects.filter(spelt("issuer", identifier)).exists():
        return "a trusted issuer"
    if ResourceAuthorizationServer.objects.filter(spelt("issuer", identifier)).exists():
        return "another authorization server"
    if SubjectLink.objects.filter(subject__iexact=identifier).exists():
        return "a person, at a trusted issuer"
    return ""
