from collections.abc import Mapping
from typing import ClassVar

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuthzConfig(AppConfig):
    name = "authz"
    verbose_name = "Authorization server"

    # Tables whose rows decide what is allowed: each change of one changes the generation
    # (authz/database/configuration_cache.py).
    CONFIGURATION_MODELS = (
        "Client",
        "ProtectedResource",
        "Scope",
        "SigningKey",
        "Rule",
        "ExtensionSwitches",
    )
    # Authorizations: ending one without a person changes the generation.
    MACHINE_GRANT_MODELS = ("Authorization",)
    # Tables whose rows are never changed, and never removed (audit events: until they are archived).
    APPEND_ONLY_MODELS = ("AuditEvent", "AuditSegment", "AuditArchive", "RuleChange")
    # Columns that hold ciphertexts (authz/keys/reencryption.py).
    SECRETS_AT_REST = (
        "authz.keys.AT_REST",
        "authz.keys.second_factors.AT_REST",
        "authz.tokens.deferrals.AT_REST",
        "authz.notifications.webhook_secrets.AT_REST",
        "authz.notifications.sealed_links.AT_REST",
        "authz.evidence.checkpoint_keys.AT_REST",
        "authz.evidence.destination_tokens.AT_REST",
        "authz.configuration.plan_files.AT_REST",
    )

    # Identifiers that no client may have (authz/clients/identifiers.py).
    IDENTIFIERS = ("authz.clients.identifiers.of_the_core",)

    # The rows that an undo restores. A change of any other column than these voids it (authz/models/mark_triggers.py).
    CUT_OFF_MODELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Client": ("updated", "approval_reminders", "successor", "owner_left", "lost_owner"),
        "User": ("last_login",),
        "ProtectedResource": (),
        "Rule": ("updated",),
    }

    # The kinds of cut-offs (authz/authorizations/cut_off.py); apps name kinds of their own.
    CUT_OFF_KINDS: ClassVar[Mapping[str, str]] = {
        kind: f"authz.authorizations.cut_off_targets.{kind}"
        for kind in ("client", "person", "authorization", "session", "resource", "everything")
    } | {"rule": "authz.decisions.rule_cut_off.rule"}

    def ready(self) -> None:
        import authz.checks  # noqa: F401  registers the system checks
        from authz.models.triggers import install
        from authz.sign_in import emergency, form_binding, password_changes, second_factors, session, sign_ins

        session.connect()
        form_binding.connect()
        sign_ins.connect()
        second_factors.connect()
        emergency.connect()
        password_changes.connect()
        post_migrate.connect(install, sender=self, dispatch_uid="authz.triggers")
