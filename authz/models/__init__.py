"""The stored data. One file for each subject; docs/architecture.md shows how they belong together."""

from authz.models.access_request import AccessRequest, AccessVote
from authz.models.audit_event import AuditEvent
from authz.models.authorization import Authorization, AuthorizationCode, Consent
from authz.models.browser_session import BrowserSession
from authz.models.call_usage import CallDay, ToolUse
from authz.models.client import Client
from authz.models.clock import ClockAnchor, RemovalMark
from authz.models.configuration_plan import ConfigurationPlan
from authz.models.cut_off import CutOff, CutOffMark
from authz.models.deferral import Deferral
from authz.models.event_count import EventCount, EventCountMark
from authz.models.evidence import AuditArchive, AuditDestination, AuditSegment, CheckpointKey
from authz.models.extension_switches import ExtensionSwitches
from authz.models.generation import Generation
from authz.models.invitation import Invitation
from authz.models.mcp_sampling import McpSampling
from authz.models.mcp_task import McpTask
from authz.models.notification import Notification, WebhookEndpoint
from authz.models.periodic_task import PeriodicTask
from authz.models.protected_resource import ProtectedResource, Scope
from authz.models.pushed_request import PushedRequest
from authz.models.rule import Rule, RuleAuthor, RuleChange
from authz.models.saved_view import SavedView
from authz.models.signing_key import SigningKey
from authz.models.status_list import EndedEntry, StatusList
from authz.models.used_assertion import UsedAssertion
from authz.models.user import User

__all__ = [
    "AccessRequest",
    "AccessVote",
    "AuditArchive",
    "AuditDestination",
    "AuditEvent",
    "AuditSegment",
    "Authorization",
    "AuthorizationCode",
    "BrowserSession",
    "CallDay",
    "CheckpointKey",
    "Client",
    "ClockAnchor",
    "ConfigurationPlan",
    "Consent",
    "CutOff",
    "CutOffMark",
    "Deferral",
    "EndedEntry",
    "EventCount",
    "EventCountMark",
    "ExtensionSwitches",
    "Generation",
    "Invitation",
    "McpSampling",
    "McpTask",
    "Notification",
    "PeriodicTask",
    "ProtectedResource",
    "PushedRequest",
    "RemovalMark",
    "Rule",
    "RuleAuthor",
    "RuleChange",
    "SavedView",
    "Scope",
    "SigningKey",
    "StatusList",
    "ToolUse",
    "UsedAssertion",
    "User",
    "WebhookEndpoint",
]
