from collections.abc import Mapping
from typing import ClassVar

from django.apps import AppConfig


class CimdConfig(AppConfig):
    name = "cimd"
    verbose_name = "Client ID Metadata Documents"

    # Trusted hosts are configuration like any other: a change is in force with the next request
    # (authz/database/configuration_cache.py).
    CONFIGURATION_MODELS = ("Policy",)

    # What an undo gives back: any change of these rows voids it, but for these columns (authz/models/mark_triggers.py).
    CUT_OFF_MODELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Document": (
            "asked_for",
            "headers",
            "fetched",
            "fresh_until",
            "serves_until",
            "lease",
            "lease_until",
            "failures",
            "failed",
            "failure",
            "failure_status",
            "failure_checks",
            "retry_at",
        )
    }

    # What can be suspended beside the core's kinds (authz/authorizations/cut_off.py).
    CUT_OFF_KINDS: ClassVar[Mapping[str, str]] = {"document": "cimd.cut_off.document"}
