from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("xaa", "0018_signal_sources")]

    operations = [
        # By hand: Django makes SQLite's table anew for such a column (0016_sign_in_of_issuers). SQLite takes any type's
        # name, and keeps the text as it is.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE xaa_subjectlink ADD COLUMN agents_not_before jsonb DEFAULT '{}' NOT NULL",
                    "ALTER TABLE xaa_subjectlink DROP COLUMN agents_not_before",  # reversed
                )
            ],
            state_operations=[
                migrations.AddField(
                    model_name="subjectlink",
                    name="agents_not_before",
                    field=models.JSONField(db_default={}, default=dict, editable=False),
                )
            ],
        )
    ]
