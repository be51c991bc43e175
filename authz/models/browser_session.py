from django.conf import settings
from django.db import models


class BrowserSession(models.Model):
    """The data of a browser's session, by the digest of its key.

    Only the browser's cookie has the key: a reader of this table, of a backup or of a page about it cannot take a
    session over. `user` finds a person's sessions without reading each (authz/authorizations/cut_off_targets.py).
    """

    digest = models.CharField(max_length=64, primary_key=True)
    session_data = models.TextField()
    expire_date = models.DateTimeField(db_index=True)
    # Without a constraint: a sign-in of an account that is removed meanwhile leaves a session without a person.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="browser_sessions",
    )
    # The issuer that signed the person in, so that the session ends with the trust in it; empty: a password of ours.
    issuer = models.CharField(max_length=512, blank=True, default="", db_default="", db_index=True)

    def __str__(self) -> str:
        return self.digest[:8]
