from django.conf import settings
from django.db import models


class Session(models.Model):
    """A person's sign-in in one browser, by the digest that grants and ID tokens name it with (`sid`).

    It finds the browser's session again (authz/models/browser_session.py), so that what rests on a sign-in can be asked
    whether that still lives.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    started = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-started"]
        verbose_name = "sign-in"

    def __str__(self) -> str:
        return f"{self.user} since {self.started:%Y-%m-%d %H:%M} UTC"
