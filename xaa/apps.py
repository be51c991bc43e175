from django.apps import AppConfig


class XaaConfig(AppConfig):
    name = "xaa"
    verbose_name = "Cross-app access"
