"""No key of a session stands in a table: the digest finds its row (authz/models/browser_session.py).

The column stays and is empty, so that an older version beside this one can go on; it goes with a later release.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("xaa", "0003_id_jag_signing_alg"),
        ("authz", "0010_browser_sessions"),
    ]

    operations = [
        migrations.RunSQL("UPDATE xaa_session SET session_key = ''", migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.AlterField(
                    "session", "session_key", models.CharField(max_length=40, editable=False, db_default="")
                )
            ],
            state_operations=[migrations.RemoveField("session", "session_key")],
        ),
    ]
