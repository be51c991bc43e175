"""Workloads as platforms write them: lifetimes, audiences, inline keys and reuse, by issuer and by workload."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("xaa", "0008_audiences_and_names_there"),
    ]

    operations = [
        migrations.AddField(
            model_name="issuerhealth",
            name="passed_over",
            field=models.JSONField(
                db_default=[], default=list, help_text="The entries that do not count, and why: a sentence each."
            ),
        ),
        migrations.AddField(
            model_name="trustedissuer",
            name="audience",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                help_text="What a workload's aud may be beside our issuer, exactly; for platforms that do not let one choose.",
            ),
        ),
        migrations.AddField(
            model_name="trustedissuer",
            name="jwks",
            field=models.JSONField(
                blank=True,
                help_text="Its public keys (a JWK Set), where this server cannot ask for them: private clusters, air gaps.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="trustedissuer",
            name="max_lifetime",
            field=models.PositiveIntegerField(
                db_default=86400,
                default=86400,
                help_text="Seconds that a workload's assertion may live at the most.",
                validators=[
                    django.core.validators.MinValueValidator(60),
                    django.core.validators.MaxValueValidator(90000),
                ],
            ),
        ),
        migrations.AddField(
            model_name="trustedissuer",
            name="reuse",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="A workload's assertion serves until it expires; otherwise once.",
            ),
        ),
        migrations.AddField(
            model_name="workloadbinding",
            name="reuse",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Its assertion serves until it expires; otherwise once."
            ),
        ),
        migrations.AlterField(
            model_name="workloadbinding",
            name="claims",
            field=models.JSONField(blank=True, default=dict, help_text="Claims that must be there, with this value."),
        ),
    ]
