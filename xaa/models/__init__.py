"""Whom we believe, where our ID-JAGs may go, and who is who."""

from xaa.models.resource_authorization_server import ResourceAuthorizationServer, TargetResource
from xaa.models.session import Session
from xaa.models.subject_link import SubjectLink
from xaa.models.trusted_issuer import IssuerHealth, TrustedIssuer, WorkloadBinding

__all__ = [
    "IssuerHealth",
    "ResourceAuthorizationServer",
    "Session",
    "SubjectLink",
    "TargetResource",
    "TrustedIssuer",
    "WorkloadBinding",
]
