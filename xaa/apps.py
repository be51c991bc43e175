from collections.abc import Mapping
from typing import ClassVar

from django.apps import AppConfig


class XaaConfig(AppConfig):
    name = "xaa"
    verbose_name = "Cross-app access"

    # Tables whose rows decide what is allowed: every change to one moves the generation
    # (authz/database/configuration_cache.py).
    CONFIGURATION_MODELS = (
        "TrustedIssuer",
        "SignInClient",
        "WorkloadBinding",
        "ResourceAuthorizationServer",
        "TargetResource",
        "Directory",
        "SignalReceiver",
        "SignalSource",
    )

    # Columns that hold ciphertexts (authz/keys/reencryption.py).
    SECRETS_AT_REST = (
        "xaa.sign_in.secret.AT_REST",
        "xaa.sign_in.secret.PROPOSED_AT_REST",
        "xaa.signals.sending.push.AT_REST",
        "xaa.signals.sending.push.RECEIVERS_AT_REST",
        "xaa.signals.receiving.keys.AT_REST",
        "xaa.signals.receiving.keys.CLIENT_SECRETS_AT_REST",
    )

    # Whose identifiers no client may have (authz/clients/identifiers.py).
    IDENTIFIERS = ("xaa.identifiers.bearer",)

    # What `manage.py doctor` looks at beside the core's.
    EXAMINATIONS: ClassVar[Mapping[str, str]] = {
        "trusted issuers": "xaa.doctor.issuers",
        "directories": "xaa.scim.doctor.directories",
        "receivers of signals": "xaa.signals.sending.doctor.receivers",
        "signal sources": "xaa.signals.receiving.doctor.sources",
    }

    # What an undo gives back: any change of these rows voids it, but for these columns (authz/models/mark_triggers.py).
    CUT_OFF_MODELS: ClassVar[Mapping[str, tuple[str, ...]]] = {"TrustedIssuer": ()}

    # What can be suspended beside the core's kinds (authz/authorizations/cut_off.py).
    CUT_OFF_KINDS: ClassVar[Mapping[str, str]] = {"issuer": "xaa.cut_off.issuer"}

    def ready(self) -> None:
        from xaa import lineage
        from xaa.scim import signals
        from xaa.sign_in import adapter as sign_in
        from xaa.signals.sending import signals as sending
        from xaa.subjects import sessions

        lineage.connect()
        sessions.connect()
        signals.connect()
        sending.connect()
        sign_in.connect()
