"""The `cimd:` section of the configuration."""

from django.db import models


class Policy(models.Model):
    """The `cimd:` section of the configuration: one row. Host patterns are read as cimd/trust.py says."""

    trusted_hosts = models.JSONField(default=list, blank=True)
    blocked_hosts = models.JSONField(default=list, blank=True)
    redirect_schemes = models.JSONField(default=list, blank=True)
    redirect_hosts = models.JSONField(default=list, blank=True)
    public_exchange_hosts = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Hosts whose public clients may exchange identity assertions for ID-JAGs.",
    )
    changes = models.JSONField(default=dict, blank=True, help_text="Class of change → accept, consent or quarantine.")
    registration = models.BooleanField(default=False, help_text="Dynamic client registration (RFC 7591).")
    registration_hosts = models.JSONField(default=list, blank=True)
    registration_token_digests = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name = "policy for documents"
        verbose_name_plural = "policy for documents"

    def __str__(self) -> str:
        return "Trusted hosts"
