"""How far the set-up of an issuer is: its last test sign-in, and a change that waits for one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("xaa", "0013_help_texts")]

    operations = [
        migrations.CreateModel(
            name="ProposedSetUp",
            fields=[
                (
                    "issuer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="proposed",
                        serialize=False,
                        to="xaa.trustedissuer",
                    ),
                ),
                ("values", models.JSONField(help_text="Column → value, of those that change.")),
                ("sign_in", models.JSONField(help_text="client_id and scopes, as they will be.")),
                (
                    "secret",
                    models.BinaryField(default=b"", help_text="Encrypted; empty: the one that it has."),
                ),
                (
                    "base",
                    models.CharField(help_text="Digest of the row that the change was made to.", max_length=64),
                ),
                ("by", models.CharField(max_length=255)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="SignInTest",
            fields=[
                (
                    "issuer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="sign_in_test",
                        serialize=False,
                        to="xaa.trustedissuer",
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("by", models.CharField(help_text="The administrator who made it.", max_length=255)),
            ],
        ),
    ]
