"""Trusted issuers, the servers that our ID-JAGs may go to, linked identities, directories, and streams of signals."""

from xaa.models.directory import (
    Directory,
    DirectoryContact,
    DirectoryGroup,
    DirectoryPerson,
    DirectoryToken,
)
from xaa.models.redemption import Redemption
from xaa.models.resource_authorization_server import ResourceAuthorizationServer, TargetResource
from xaa.models.session import Session
from xaa.models.set_up import ProposedSetUp, SignInTest
from xaa.models.sign_in_client import SignInClient
from xaa.models.signal_source import ReceivedSignal, SignalSource, SignalSourceState, SignalSourceToken
from xaa.models.signal_stream import (
    IdJagReceipt,
    SignalEvent,
    SignalExclusion,
    SignalReceiver,
    SignalStream,
)
from xaa.models.subject_link import SubjectLink
from xaa.models.trusted_issuer import IssuerHealth, TrustedIssuer, WorkloadBinding

__all__ = [
    "Directory",
    "DirectoryContact",
    "DirectoryGroup",
    "DirectoryPerson",
    "DirectoryToken",
    "IdJagReceipt",
    "IssuerHealth",
    "ProposedSetUp",
    "ReceivedSignal",
    "Redemption",
    "ResourceAuthorizationServer",
    "Session",
    "SignInClient",
    "SignInTest",
    "SignalEvent",
    "SignalExclusion",
    "SignalReceiver",
    "SignalSource",
    "SignalSourceState",
    "SignalSourceToken",
    "SignalStream",
    "SubjectLink",
    "TargetResource",
    "TrustedIssuer",
    "WorkloadBinding",
]
