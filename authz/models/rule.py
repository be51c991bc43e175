from django.db import models


class Rule(models.Model):
    """One rule of the organisation's policy, in the shape of the configuration file (authz/policy/ judges it)."""

    class Effect(models.TextChoices):
        ALLOW = "allow", "Allow"
        DENY = "deny", "Deny"
        REQUIRE_APPROVAL = "require_approval", "Require approval"

    name = models.CharField(max_length=255, unique=True)
    effect = models.CharField(max_length=32, choices=Effect.choices)
    enabled = models.BooleanField(default=True)
    definition = models.JSONField(help_text="clients, users, groups, grant_types, resources, scopes, conditions, …")
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
