from django.db import models


class Generation(models.Model):
    """One row, changed by database triggers with every change of configuration (authz/database/configuration_cache.py
    reads it)."""

    value = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.value)
