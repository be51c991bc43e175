"""Which tests PostgreSQL gets: those that can differ by the database (docs/decisions/0080-tests-in-minutes.md)."""

import pytest

# Tests that use no database, or each in the same way.
WITHOUT_A_DATABASE = (
    "tests/policy/",
    "tests/protocol/",
    "tests/evidence/test_formats.py",
    "tests/evidence/test_merkle.py",
    "tests/evidence/test_notes.py",
    "tests/evidence/test_ocsf_models.py",
    "tests/limits/test_node_counters.py",
    "tests/limits/test_shared_counters.py",
    "tests/test_docs.py",
    "tests/test_imports.py",
    "tests/test_processor_time.py",
    "tests/test_prose.py",
    "tests/test_scheduling.py",
    "tests/test_scratch.py",
    "tests/test_selection.py",
    # Signatures, headers, blanks: what is stored of them is the same.
    "tests/spellings/",
    "tests/attacks/test_17_typ_and_alg_confusion.py",
    # What fits into a URL.
    "tests/endpoints/test_authorize_detours.py",
    "tests/telemetry/",
    "tests/outbound/test_deadlines.py",
    "tests/outbound/test_destinations.py",
    "tests/outbound/test_http.py",
    "tests/outbound/test_one_way_out.py",
    "tests/outbound/test_pinned_connection.py",
    "tests/outbound/test_remote_documents.py",
    "tests/outbound/test_remote_keys.py",
    "tests/outbound/test_roles.py",
    "tests/xaa/redeeming/test_id_jag.py",
    "tests/xaa/workloads/test_workload_claims.py",
    "tests/xaa/workloads/test_workloads.py",
    "tests/cimd/test_changes.py",
    "tests/cimd/test_client_identifier.py",
    "tests/cimd/test_metadata_document.py",
    "tests/cimd/test_trust.py",
    # Files in, a file out.
    "tests/conversion/",
    # What a client, an issuer or a platform says, and what is said to it. The statements behind that are those of the
    # plain cases (tests/grants, tests/xaa/redeeming/test_jwt_bearer.py and their like), which run on both.
    "tests/client_auth/test_client_assertions.py",
    "tests/client_auth/test_client_secrets.py",
    "tests/clients/test_identifiers.py",
    "tests/consent/test_unticked_scopes.py",
    "tests/endpoints/test_arrivals.py",
    "tests/endpoints/test_retry_after.py",
    "tests/xaa/test_exchange_targets.py",
    "tests/xaa/trusted_issuers/test_public_clients.py",
    "tests/xaa/subjects/test_said_groups.py",
    "tests/xaa/trusted_issuers/test_set_up.py",
    "tests/xaa/sign_in/test_sign_in_client_attacks.py",
    "tests/xaa/workloads/test_workload_issuers.py",
    "tests/attacks/test_13_error_redirects.py",
    "tests/attacks/test_30_other_clients_tokens.py",
    "tests/attacks/test_33_disabled_flows.py",
    "tests/attacks/test_37_whose_word.py",
    "tests/attacks/test_xaa_confusion.py",
)
# Of each table of rows (`parametrize`), PostgreSQL gets one: on the others the product says the same statements, which
# was measured. These are files and folders in which rows say statements of their own, or try what a column takes.
EACH_ROW = (
    "tests/api/test_agents.py",
    "tests/api/test_authentication.py",
    "tests/api/test_configuration.py",
    "tests/api/test_reading.py",
    "tests/approvals/test_approvers.py",
    "tests/attacks/",
    "tests/audit/",
    "tests/authorizations/test_cut_off.py",
    "tests/authorizations/test_status_lists.py",
    "tests/cimd/test_approval_queue.py",
    "tests/cimd/test_cut_off.py",
    "tests/cimd/test_housekeeping.py",
    "tests/command_line/test_json.py",
    "tests/configuration/test_junk.py",
    "tests/configuration/test_resource_identifiers.py",
    "tests/configuration/test_value_types.py",
    "tests/console/test_as_shown.py",
    "tests/console/test_audit_",
    "tests/console/test_building_blocks.py",
    "tests/console/test_calls.py",
    "tests/console/test_destinations.py",
    "tests/console/test_junk.py",
    "tests/console/test_lists.py",
    "tests/console/test_mcp_server_page.py",
    "tests/console/test_old_undo.py",
    "tests/console/test_pages.py",
    "tests/console/test_reasons.py",
    "tests/console/test_webhooks.py",
    "tests/database/",
    "tests/decision_point/test_evaluation.py",
    "tests/evidence/",
    "tests/grants/test_deferred.py",
    "tests/keys/",
    "tests/load/",
    "tests/mcp/test_authorization.py",
    "tests/operations/",
    "tests/serving/",
    "tests/sign_in/test_invitations.py",
    "tests/xaa/signals/",
    "tests/xaa/workloads/test_add_workload.py",
    "tests/xaa/subjects/test_people_of_an_issuer.py",
    "tests/xaa/scim/test_scim.py",
    "tests/xaa/scim/test_scim_administration.py",
)


def same_on_each_database(items: list[pytest.Item]) -> set[pytest.Item]:
    """What SQLite's run alone tries. It does not depend on the order of the tests, which is another each time."""
    same = {
        item for item in items if item.get_closest_marker("any_database") or item.nodeid.startswith(WITHOUT_A_DATABASE)
    }
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        # What commits, as threads and processes do that meet in the database, is tried whole.
        if item not in same and not _commits(item) and not item.nodeid.startswith(EACH_ROW):
            tables.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return same | {item for rows in tables.values() for item in sorted(rows, key=_place)[1:]}


def _commits(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    return "transactional_db" in getattr(item, "fixturenames", ()) or bool(mark and mark.kwargs.get("transaction"))


def _place(item: pytest.Item) -> tuple[int, ...]:
    """Where the row stands in its table."""
    call = getattr(item, "callspec", None)
    return tuple(call.indices.values()) if call else ()
