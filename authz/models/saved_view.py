from django.conf import settings
from django.db import models


class SavedView(models.Model):
    """A saved search of the audit: for its author, or for all readers of the audit."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000, help_text="The address's query, without a page.")
    is_shared = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="authz_one_view_of_a_name")]

    def __str__(self) -> str:
        return self.name
