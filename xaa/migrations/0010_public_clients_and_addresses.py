"""Who may redeem an issuer's ID-JAGs without authenticating, and which addresses it speaks for: nothing until named."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("xaa", "0009_workload_platforms")]

    operations = [
        migrations.AddField(
            "trustedissuer",
            "public_clients",
            models.JSONField(
                blank=True,
                default=list,
                db_default=[],
                help_text="Hosts whose documents may redeem this issuer's ID-JAGs without authenticating; nobody's if"
                " empty.",
            ),
        ),
        migrations.AddField(
            "trustedissuer",
            "public_client_lifetime",
            models.PositiveSmallIntegerField(
                default=60,
                db_default=60,
                help_text="Seconds that an ID-JAG may live which such a client redeems; 300 at most.",
            ),
        ),
        migrations.AddField(
            "trustedissuer",
            "email_trusted",
            models.BooleanField(
                default=False,
                db_default=False,
                help_text="Its addresses are believed without email_verified, within its domains.",
            ),
        ),
        migrations.AddField(
            "trustedissuer",
            "email_domains",
            models.JSONField(
                blank=True,
                default=list,
                db_default=[],
                help_text="The domains whose addresses it may speak for; empty: see email_trusted.",
            ),
        ),
    ]
