from django.apps import AppConfig


class CimdConfig(AppConfig):
    name = "cimd"
    verbose_name = "Client ID Metadata Documents"

    # Whom we believe is configuration like any other: a change is in force with the next request (authz/snapshot.py).
    CONFIGURATION_MODELS = ("Policy",)
