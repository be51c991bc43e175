"""Where the ID-JAGs that we issue may go."""

from django.db import models

from authz.models import ProtectedResource


class ResourceAuthorizationServer(models.Model):
    """An authorization server in another trust domain that takes our ID-JAGs, by its issuer identifier."""

    class AudSub(models.TextChoices):
        NONE = "", "—"
        LINKED = "linked", "The subject that the person is linked by, where the same issuer signs people in here"
        EMAIL = "email", "The person's address"
        USERNAME = "username", "The person's username"

    issuer = models.CharField(max_length=512, unique=True, help_text="As it stands in `aud`, byte for byte.")
    name = models.CharField(max_length=255)
    enabled = models.BooleanField(default=True)
    id_jag_signing_alg = models.CharField(
        "signing algorithm of its ID-JAGs",
        max_length=8,
        choices=ProtectedResource.Algorithm.choices,
        default=ProtectedResource.Algorithm.RS256,
        db_default=ProtectedResource.Algorithm.RS256,
        help_text="RS256 is read by everybody; ES256 and EdDSA are made much faster.",
    )
    client_ids = models.JSONField(
        default=dict,
        blank=True,
        help_text="Our client ids and what the same clients are called there. A metadata document's URL is itself.",
    )

    tenant = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="For servers that tell our tenants apart: the ID-JAG's “tenant”, which is ours. Empty: none.",
    )
    aud_tenant = models.CharField(
        "tenant there",
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="For servers with tenants of their own: the ID-JAG's “aud_tenant”, which is theirs. Empty: none.",
    )
    aud_sub = models.CharField(
        "person's name there",
        max_length=8,
        choices=AudSub.choices,
        blank=True,
        default=AudSub.NONE,
        db_default="",
        help_text="For servers that know our people by another name: the ID-JAG's “aud_sub”. Empty: none.",
    )

    class Meta:
        ordering = ["issuer"]
        verbose_name = "resource authorization server"

    def __str__(self) -> str:
        return self.name or self.issuer


class TargetResource(models.Model):
    """A protected resource behind another authorization server, with the scopes that may be asked for."""

    server = models.ForeignKey(ResourceAuthorizationServer, on_delete=models.CASCADE, related_name="resources")
    identifier = models.CharField(max_length=1024)
    scopes = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "resource"
        constraints = [
            models.UniqueConstraint(fields=["server", "identifier"], name="xaa_resource_once_per_server"),
        ]

    def __str__(self) -> str:
        return self.identifier
