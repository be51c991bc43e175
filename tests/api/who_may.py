"""Which role may do what in the management API and the console: all that is allowed (tests/api/test_escalation.py)."""

from tests.support.world import NOTES

ROLES = {"D": "developer", "U": "auditor", "P": "approver", "X": "administrator"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LIST = {"GET": "UPX"}
ITEM = {"GET": "UPX", "PUT": "X", "PATCH": "X", "DELETE": "X"}
# By the name in the URL conf.
API: dict[str, dict[str, str]] = {
    "api_me": {"GET": "DUPX"},
    "api_configuration": {"GET": "UPX", "POST": "X"},
    "api_configuration_drift": {"POST": "X"},
    "api_plans": {"GET": "UPX", "POST": "X"},
    "api_plan": LIST,
    "api_plan_approve": {"POST": "X"},
    "api_plan_decline": {"POST": "X"},
    "api_plan_apply": {"POST": "X"},
    "api_plan_drift": LIST,
    "api_users": LIST,
    "api_users_item": ITEM,
    "api_clients": {"GET": "DUPX"},  # a developer's own
    "api_clients_item": {**ITEM, "GET": "DUPX"},
    "api_resources": {"GET": "DUPX"},
    "api_resources_item": {**ITEM, "GET": "DUPX"},
    "api_trusted_issuers": LIST,
    "api_trusted_issuers_item": ITEM,
    "api_resource_authorization_servers": LIST,
    "api_directories": LIST,
    "api_directories_item": ITEM,
    "api_signal_receivers": LIST,
    "api_signal_receivers_item": ITEM,
    "api_resource_authorization_servers_item": ITEM,
    "api_signal_sources": LIST,
    "api_signal_sources_item": ITEM,
    "api_signals": LIST,
    "api_signal_undo": {"POST": "X"},
    "api_signal_sources_state": LIST,
    "api_signal_source_act": {"POST": "X"},
    "api_rules": LIST,
    "api_rules_item": ITEM,
    "api_webhooks": LIST,
    "api_webhooks_item": ITEM,
    "api_audit_destinations": LIST,
    "api_audit_destinations_item": ITEM,
    "api_cimd_item": ITEM,
    "api_extensions_item": ITEM,
    "api_extensions": LIST,
    "api_agents": {"GET": "DUPX", "POST": "DX"},
    "api_agent": {"GET": "DUPX", "PATCH": "DX"},
    "api_agent_secret": {"POST": "DX"},
    "api_agent_approve": {"POST": "PX"},
    "api_agent_suspend": {"POST": "PX"},
    "api_agent_retire": {"POST": "PX"},
    "api_access_requests": {"GET": "DUPX", "POST": "DPX"},
    "api_access_request": {"GET": "DUPX", "PATCH": "D"},  # who asked: erin
    "api_access_request_approve": {"POST": "PX"},
    "api_access_request_deny": {"POST": "PX"},
    "api_access_request_cancel": {"POST": "DPX"},
    "api_authorizations": LIST,
    "api_authorization": LIST,
    "api_invitation": {"POST": "X"},
    "api_end_access": {"GET": "UPX", "POST": "PX"},
    "api_cut_off": {"GET": "UPX", "POST": "PX"},
    "api_policy_explain": LIST,
    "api_policy_reach": LIST,
    "api_policy_simulate": {"POST": "UPX"},
    "api_policy_effect": {"POST": "UPX"},
    "api_policy_warnings": LIST,
    "api_policy_naming": {"POST": "UPX"},
    "api_policy_history": LIST,
    "api_policy_replay": LIST,
    "api_audit_events": LIST,
    "api_audit_event": LIST,
    "api_audit_event_proof": LIST,
    "api_audit_seals": LIST,
    "api_keys": LIST,
    "api_keys_rotate": {"POST": "X"},
    "api_keys_retire": {"POST": "X"},
    "api_notifications": LIST,
    "api_rate_limits": LIST,
    "api_documents": LIST,
    "api_documents_inspect": {"POST": "UPX"},
    "api_subject_links": LIST,
}
FOR_EVERYBODY = {"api_schema", "api_configuration_schema"}
# What the routes of the table are tried on: a row that is there, and a body that is taken.
BODIES: dict[tuple[str, str], object] = {
    ("api_agents", "POST"): {"grant_types": ["client_credentials"]},
    ("api_agent_approve", "POST"): {"owner": "frank"},
    ("api_access_requests", "POST"): {"client_id": "tool", "resource": NOTES, "scopes": ["mcp:read"]},
    ("api_access_request_deny", "POST"): {"comment": "No."},
    ("api_end_access", "POST"): {"kind": "client", "name": "tool", "reason": "A try."},
    ("api_cut_off", "POST"): {"kind": "client", "name": "tool", "reason": "A try."},
    ("api_policy_simulate", "POST"): {"rules": []},
    ("api_keys_rotate", "POST"): {"alg": "ES256"},
    ("api_documents_inspect", "POST"): {"url": "no URL"},
    ("api_policy_naming", "POST"): {"kind": "resource", "name": NOTES},
}  # fmt: skip

SEE, NO_ONE, ADMIN = "UPX", "", "X"
# A model's pages in the console: who sees the list, the form of a new one, one of them, its removal; and who writes.
#   model: (list, add, see one, change one, remove one)
CONSOLE = {
    "authz_accessrequest": ("DUPX", NO_ONE, "DUPX", NO_ONE, NO_ONE),  # what is asked for the developer
    "authz_client": ("DUPX", "DX", SEE, ADMIN, NO_ONE),  # the agent that is tried is not the developer's
    "authz_configurationplan": (SEE, NO_ONE, SEE, NO_ONE, NO_ONE),
    "authz_auditevent": (SEE, NO_ONE, SEE, NO_ONE, NO_ONE),
    "authz_protectedresource": ("DUPX", ADMIN, "DUPX", ADMIN, NO_ONE),
    "authz_user": (SEE, ADMIN, SEE, ADMIN, NO_ONE),
    "auth_group": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "authz_rule": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "authz_signingkey": (SEE, NO_ONE, SEE, NO_ONE, NO_ONE),
    "authz_authorization": (SEE, NO_ONE, SEE, NO_ONE, NO_ONE),
    "authz_webhookendpoint": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "authz_notification": (SEE, NO_ONE, SEE, NO_ONE, NO_ONE),
    "cimd_document": (SEE, NO_ONE, SEE, SEE, NO_ONE),  # its page only shows, whatever the method
    "cimd_policy": (SEE, NO_ONE, SEE, ADMIN, NO_ONE),
    "xaa_trustedissuer": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "xaa_subjectlink": (SEE, ADMIN, SEE, NO_ONE, ADMIN),
    "xaa_resourceauthorizationserver": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "xaa_directory": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "xaa_signalreceiver": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "xaa_signalsource": (SEE, ADMIN, SEE, ADMIN, ADMIN),
    "xaa_session": (SEE, NO_ONE, SEE, NO_ONE, NO_ONE),
}
# All other pages: (who may read, who may post).
PAGES = {
    "home": ("NDUPX", "NDUPX"),
    "api_reference": ("NDUPX", ""),
    "account_home": ("NDUPX", ""),
    "account_end_agent": ("NDUPX", "NDUPX"),  # what the agent may do for oneself
    "account_sign_ins": ("NDUPX", "NDUPX"),  # one's own
    "account_second_factor": ("NDUPX", ""),  # one's own
    "account_requests": ("NDUPX", ""),
    "account_servers": ("NDUPX", ""),  # those that one owns, if any
    "account_server": (NO_ONE, NO_ONE),  # its owners, whatever their role: tests/console/test_own_servers.py
    "account_request": ("DUPX", "DUPX"),  # redirects a reader to the console, and others nowhere
    "account_decide": ("PX", "PX"),  # and the approvers in a rule or an MCP server
    "account_invitation": ("", ""),  # of a link that is none: tests/sign_in/test_invitations.py has good ones
    "admin:index": ("DUPX", "DUPX"),
    "admin:health": (ADMIN, ADMIN),
    "admin:extensions": (SEE, SEE),  # it only shows
    "admin:add_agent": ("DX", "DX"),
    "admin:add_agent_as": ("DX", "DX"),
    "admin:add_agent_elsewhere": (ADMIN, ADMIN),
    "admin:connect_app": (SEE, SEE),
    "admin:connect_app_trust": ("", ADMIN),
    "admin:add_api_key": (ADMIN, ADMIN),
    "admin:authz_client_connect": (SEE, SEE),  # and a developer, of their own
    "admin:authz_client_reject": ("PX", "PX"),
    "admin:suggest": (
        "DUPX",
        "",
    ),  # what it suggests is for who may see such things: tests/console/test_building_blocks.py
    "admin:simulator": ("DUPX", "DUPX"),
    "admin:answer": ("", ""),  # of an event without an agent; tests/console/test_answers.py tries those with one
    "admin:who_reaches": (SEE, SEE),
    "admin:reach_matrix": (SEE, SEE),
    "admin:reach_matrix_export": (SEE, SEE),
    "admin:rule_preview": ("", ADMIN),
    "admin:replay": (SEE, SEE),
    "admin:find": ("DUPX", "DUPX"),
    "admin:story": (SEE, SEE),
    "admin:switch_overview": (SEE, SEE),
    "admin:switch": (SEE, ADMIN),  # tried on everything; tests/console/test_end_access.py tries each kind
    "admin:switch_done": (SEE, SEE),
    "admin:switch_undo": (ADMIN, ADMIN),
    "admin:end_sign_ins": (SEE, "PX"),
    "admin:authz_user_invite": (ADMIN, ADMIN),
    "admin:authz_user_factors": (ADMIN, ADMIN),
    "admin:authz_accessrequest_decide": ("PX", "PX"),
    "admin:authz_accessrequest_end": ("PX", "PX"),
    "admin:authz_configurationplan_decide": (ADMIN, ADMIN),
    "admin:authz_configurationplan_apply": (ADMIN, ADMIN),
    "admin:authz_client_switch": ("PX", "PX"),
    "admin:authz_client_ask": ("PX", "PX"),  # and a developer, of their own
    "admin:authz_client_secret": ("", ""),  # of an agent that has none
    "admin:authz_auditevent_export": (SEE, SEE),
    "admin:authz_auditevent_save_view": ("", SEE),
    "admin:authz_auditevent_forget_view": ("X", "X"),  # one's own
    "admin:authz_auditevent_history": ("", ""),
    "admin:authz_protectedresource_protect": ("DUPX", "DUPX"),  # only who may change it has it checked
    "admin:authz_rule_history_of_all": (SEE, SEE),
    "admin:authz_rule_history": ("DUPX", "DUPX"),  # leads to the one above
    "admin:authz_rule_restore": (ADMIN, ADMIN),
    "admin:authz_signingkey_rotate": (ADMIN, ADMIN),
    "admin:authz_webhookendpoint_secret": (ADMIN, ADMIN),
    "admin:authz_webhookendpoint_test": (ADMIN, ADMIN),
    "admin:authz_notification_again": (ADMIN, ADMIN),
    "admin:authz_auditdestination_changelist": (SEE, SEE),
    "admin:authz_auditdestination_add": (ADMIN, ADMIN),
    "admin:authz_auditdestination_change": (ADMIN, ADMIN),
    "admin:authz_auditdestination_test": (ADMIN, ADMIN),
    "admin:authz_auditdestination_delete": (ADMIN, ADMIN),
    "admin:authz_auditdestination_checkpoint": ("", ""),  # nothing is sealed yet in this test
    "admin:authz_auditdestination_proof": ("", ""),
    "admin:xaa_trustedissuer_test": (ADMIN, ADMIN),
    "admin:xaa_directory_tokens": (ADMIN, ADMIN),
    "admin:xaa_signalreceiver_status": (ADMIN, ADMIN),
    "admin:xaa_signalsource_signals": (SEE, ADMIN),
    "admin:add_issuer": (ADMIN, ADMIN),
    "admin:add_issuer_as": (ADMIN, ADMIN),
    "admin:xaa_trustedissuer_setup": (ADMIN, ADMIN),
    "admin:xaa_trustedissuer_tested": (ADMIN, ADMIN),
    "admin:cimd_document_inspect": (SEE, SEE),
    "admin:cimd_document_approve": ("PX", "PX"),
}
# Open to everyone.
OPEN = {("home", "GET"), ("home", "POST"), ("api_reference", "GET")}
# Django's own, which lead away or tell nothing.
OF_DJANGO = {
    "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n", "view_on_site", "app_list",
}  # fmt: skip
