"""The answers to ID-JAGs, for as long as their clients may ask once more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("xaa", "0010_public_clients_and_addresses")]

    operations = [
        migrations.CreateModel(
            name="Redemption",
            fields=[
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of the client and its request.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("authorization", models.UUIDField()),
                ("answer", models.BinaryField(help_text="Encrypted.")),
                ("until", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
