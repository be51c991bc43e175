from django.conf import settings
from django.db import models


class Session(models.Model):
    """A person's sign-in in one browser, by the digest that grants and ID tokens name it with (`sid`).

    It finds the browser's session again (authz/models/browser_session.py), so that what rests on a sign-in can be asked
    whether that still lives.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    # Who signed the person in, and what it calls the person and the session there; empty: a password of ours.
    issuer = models.CharField(max_length=512, blank=True, default="", db_default="")
    issuer_sub = models.CharField(max_length=255, blank=True, default="", db_default="")
    issuer_sid = models.CharField(max_length=255, blank=True, default="", db_default="")
    started = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-started"]
        verbose_name = "sign-in"
        indexes = (models.Index(fields=["issuer", "issuer_sub"], name="sign_in_of_issuer"),)

    def __str__(self) -> str:
        return f"{self.user} since {self.started:%Y-%m-%d %H:%M} UTC"
