"""What let a dynamically registered client in."""

from django.db import models

from authz.models import Client


class Registration(models.Model):
    """What let a dynamically registered client in: an initial access token by its digest, or, if empty, its hosts."""

    client = models.OneToOneField(Client, on_delete=models.CASCADE, related_name="registration")
    token_digest = models.CharField(max_length=64, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.client_id} by {'a token' if self.token_digest else 'its hosts'}"
