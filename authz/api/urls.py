"""The management API's URLs: `/api/v1/…`, and its metadata where RFC 9728 expects it."""

from django.urls import URLPattern, path, re_path
from django.urls.converters import IntConverter, register_converter

from authz import registry
from authz.api import (
    access_requests,
    agents,
    audit_events,
    audit_evidence,
    authorizations,
    configuration,
    configuration_schema,
    cut_off,
    extensions,
    invitations,
    me,
    metadata,
    notifications,
    plans,
    policy,
    rate_limits,
    rule_history,
    rule_names,
    sections,
    signing_keys,
)
from authz.api.framework import not_found, schema
from authz.configuration import all_sections
from authz.models import Client


class NumberConverter(IntConverter):
    """A row's number: one that no database can hold is no URL."""

    regex = "[0-9]{1,18}"


register_converter(NumberConverter, "number")


def section_urlpatterns() -> list[URLPattern]:
    found = []
    for section in all_sections():
        several, one = sections.views_of(section)
        name = f"api_{section.KEY}"
        if getattr(section, "SINGLE", False):
            found.append(path(f"configuration/{section.KEY}", one.as_view(), name=f"{name}_item"))
            continue
        found += [
            path(f"configuration/{section.KEY}", several.as_view(), name=name),
            path(f"configuration/{section.KEY}/<path:key>", one.as_view(), name=f"{name}_item"),
        ]
    return found


well_known = [path(".well-known/oauth-protected-resource/api", metadata.protected_resource, name="api_metadata")]

urlpatterns = [
    path("schema", schema.Schema.as_view(), name="api_schema"),
    path("me", me.Me.as_view(), name="api_me"),
    path("configuration_schema", configuration_schema.ConfigurationSchema.as_view(), name="api_configuration_schema"),
    path("configuration", configuration.Configuration.as_view(), name="api_configuration"),
    path("configuration/drift", plans.Drift.as_view(), name="api_configuration_drift"),
    *section_urlpatterns(),
    path("plans", plans.Plans.as_view(), name="api_plans"),
    path("plans/<uuid:pk>", plans.Plan.as_view(), name="api_plan"),
    path("plans/<uuid:pk>/approve", plans.Approve.as_view(), name="api_plan_approve"),
    path("plans/<uuid:pk>/decline", plans.Decline.as_view(), name="api_plan_decline"),
    path("plans/<uuid:pk>/apply", plans.Apply.as_view(), name="api_plan_apply"),
    path("plans/<uuid:pk>/drift", plans.PlanDrift.as_view(), name="api_plan_drift"),
    path("agents", agents.Agents.as_view(), name="api_agents"),
    path("agents/<number:pk>", agents.Agent.as_view(), name="api_agent"),
    path("agents/<number:pk>/secret", agents.AgentSecret.as_view(), name="api_agent_secret"),
    path("agents/<number:pk>/approve", agents.AgentApproval.as_view(), name="api_agent_approve"),
    *(
        path(f"agents/<number:pk>/{verb}", agents.AgentStatus.as_view(to=status), name=f"api_agent_{verb}")
        for verb, status in (
            ("suspend", Client.Status.SUSPENDED),
            ("retire", Client.Status.RETIRED),
        )
    ),
    path("access_requests", access_requests.AccessRequests.as_view(), name="api_access_requests"),
    path("access_requests/<uuid:pk>", access_requests.One.as_view(), name="api_access_request"),
    path("access_requests/<uuid:pk>/approve", access_requests.Approve.as_view(), name="api_access_request_approve"),
    path("access_requests/<uuid:pk>/deny", access_requests.Deny.as_view(), name="api_access_request_deny"),
    path("access_requests/<uuid:pk>/cancel", access_requests.Cancel.as_view(), name="api_access_request_cancel"),
    path("authorizations", authorizations.Authorizations.as_view(), name="api_authorizations"),
    path("authorizations/<uuid:pk>", authorizations.AuthorizationView.as_view(), name="api_authorization"),
    path("people/<str:username>/invitation", invitations.Invitation.as_view(), name="api_invitation"),
    path("end_access", cut_off.CutOff.as_view(), name="api_end_access"),
    # The same under its former name.
    path("cut_off", cut_off.CutOff.as_view(), name="api_cut_off"),
    path("policy/explain", policy.Explain.as_view(), name="api_policy_explain"),
    path("policy/reach", policy.ReachView.as_view(), name="api_policy_reach"),
    path("policy/simulate", policy.Simulate.as_view(), name="api_policy_simulate"),
    path("policy/warnings", policy.Warnings.as_view(), name="api_policy_warnings"),
    path("policy/effect", rule_history.Effect.as_view(), name="api_policy_effect"),
    path("policy/naming", rule_names.Naming.as_view(), name="api_policy_naming"),
    path("policy/history", rule_history.History.as_view(), name="api_policy_history"),
    path("policy/replay", rule_history.Replay.as_view(), name="api_policy_replay"),
    path("audit_events", audit_events.AuditEvents.as_view(), name="api_audit_events"),
    path("audit_events/<number:pk>", audit_events.AuditEventView.as_view(), name="api_audit_event"),
    path("audit_events/<number:pk>/proof", audit_evidence.Proof.as_view(), name="api_audit_event_proof"),
    path("audit_seals", audit_evidence.Seals.as_view(), name="api_audit_seals"),
    path("keys", signing_keys.Keys.as_view(), name="api_keys"),
    path("keys/rotate", signing_keys.Rotate.as_view(), name="api_keys_rotate"),
    path("keys/<str:kid>/retire", signing_keys.Retire.as_view(), name="api_keys_retire"),
    path("extensions", extensions.Extensions.as_view(), name="api_extensions"),
    path("notifications", notifications.Notifications.as_view(), name="api_notifications"),
    path("rate_limits", rate_limits.RateLimits.as_view(), name="api_rate_limits"),
    *(pattern for part in registry.api_parts() for pattern in part.urlpatterns),
]
# After all others.
misses = [re_path(r"^api(?:/[\s\S]*)?$", not_found.NotFound.as_view(), name="api_not_found")]
