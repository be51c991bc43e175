"""What the configuration says of extensions."""

from django.db import models


class ExtensionSwitches(models.Model):
    """One row: for each extension's id whether it is on, and its settings (docs/extensions.md)."""

    extensions = models.JSONField(default=dict)

    def __str__(self) -> str:
        return ", ".join(self.extensions) or "no extensions"
