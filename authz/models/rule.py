"""Rules, and the history of every change to one."""

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


class RuleChange(models.Model):
    """One rule after one change. Append-only, and written by triggers (authz/models/triggers.py), so it is complete for
    every writer. Its highest id is the version of all rules.

    `author` and `how` are those of `RuleAuthor` in the same transaction; empty if there is none. A removed rule keeps
    its last content.
    """

    class Action(models.TextChoices):
        CREATED = "created", "Created"
        CHANGED = "changed", "Changed"
        REMOVED = "removed", "Removed"

    time = models.DateTimeField()
    action = models.CharField(max_length=8, choices=Action.choices)
    rule = models.BigIntegerField(help_text="The rule's id; no key, since rules come and go and their history stays.")
    name = models.CharField(max_length=255)
    effect = models.CharField(max_length=32)
    enabled = models.BooleanField()
    definition = models.JSONField()
    author = models.CharField(max_length=255, blank=True, default="")
    how = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["rule", "id"], name="authz_rulechange_of_rule")]

    def __str__(self) -> str:
        return f"{self.name} {self.action}"


class RuleAuthor(models.Model):
    """The author of rules in the current transaction: one row that exists until it ends
    (authz/decisions/rule_history.py).

    Triggers cannot know the signed-in person, so the process writes it here.
    """

    time = models.DateTimeField()
    author = models.CharField(max_length=255)
    how = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.author
