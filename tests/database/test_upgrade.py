"""Rolling upgrades: an older version keeps serving on the database of a newer one.

`RELEASED` names the last migrations of the oldest version that may still run. The models of those migrations write the
statements that it writes.
"""

import inspect
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

# Moved forward with each release, and never by hand for any other reason.
RELEASED = {"authz": "0001_initial", "cimd": "0001_initial", "xaa": "0001_initial"}
ADDITIVE = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    migrations.RunPython,
    migrations.RunSQL,
)
# Each with the reason why the older version does not notice.
KNOWN: dict[tuple[str, str], str] = {
    (
        "authz 0035_delegation",
        "authz_one_live_machine_authorization",
    ): "it holds for fewer rows; older ones all have it",
    ("xaa 0004_sign_ins_by_digest", "state/database"): "the column stays, with a default of the database's own",
}
# Of a table or a column that the older version knows.
TAKES_AWAY = re.compile(r"\bDROP\s+(COLUMN|TABLE)\b|\bRENAME\s+(COLUMN|TO)\b|\bSET\s+NOT\s+NULL\b", re.IGNORECASE)

loader = MigrationLoader(connection=None)


def newer() -> Iterator[tuple[str, Any]]:
    """The operations that came after the release, with where they are."""
    released = {(app, name) for app, last in RELEASED.items() for _, name in loader.graph.forwards_plan((app, last))}
    for (app, name), migration in loader.disk_migrations.items():
        if app in RELEASED and (app, name) not in released:
            for operation in migration.operations:
                yield f"{app} {name}: {operation.describe()}", operation


def released_apps() -> Any:
    return loader.project_state(list(RELEASED.items())).apps


def is_additive(operation: Any, made_since: set[str]) -> bool:
    """Whether a version that does not know of it can go on reading and writing."""
    if isinstance(operation, ADDITIVE):
        return True
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        return all(
            is_additive(one, made_since) for one in (*operation.database_operations, *operation.state_operations)
        )
    # A table that the older version does not know may change as it likes.
    if getattr(operation, "model_name", "").lower() in made_since:
        return True
    if isinstance(operation, migrations.AddField):
        field = operation.field
        # Django drops a default once the column is there: an INSERT that does not name it needs NULL or a database's.
        return bool(field.null or field.db_default is not NOT_PROVIDED or field.many_to_many)
    if isinstance(operation, migrations.AddConstraint):
        # What it constrains is NULL in every row of a version that does not know of it.
        return set(operation.constraint.fields) <= added_since(operation.model_name)
    if isinstance(operation, migrations.AlterField):
        # A column that the older version does not know may change, as long as it can be left out.
        if operation.name in _columns_since(operation.model_name):
            return bool(operation.field.null or operation.field.db_default is not NOT_PROVIDED)
        # Choices, help texts and the like are no columns.
        return _column(operation) == _column_released(operation)
    return False


def _column(operation: Any) -> tuple[Any, ...]:
    field = operation.field
    return (type(field), field.max_length, field.null, field.unique)


def _column_released(operation: Any) -> tuple[Any, ...] | None:
    for app in RELEASED:
        try:
            field = released_apps().get_model(app, operation.model_name)._meta.get_field(operation.name)
        except LookupError:
            continue
        return (type(field), field.max_length, field.null, field.unique)
    return None


def added_since(model: str) -> set[str]:
    """The columns that are NULL in every row of an older version."""
    return {name for name, field in _columns_since(model).items() if field.null}


def _columns_since(model: str) -> dict[str, Any]:
    return {
        operation.name: operation.field
        for _, operation in newer()
        if isinstance(operation, migrations.AddField) and operation.model_name.lower() == model.lower()
    }


def made_since() -> set[str]:
    return {operation.name.lower() for _, operation in newer() if isinstance(operation, migrations.CreateModel)}


def test_what_came_after_the_release_only_adds() -> None:
    since = made_since()
    refused = [where for where, operation in newer() if not is_additive(operation, since)]
    assert [where for where in refused if not any(all(part in where for part in key) for key in KNOWN)] == []


@pytest.mark.parametrize(
    ("operation", "is_fine"),
    [
        (migrations.AddField("client", "new", models.CharField(max_length=9, null=True)), True),
        (migrations.AddField("client", "new", models.CharField(max_length=9, db_default="")), True),
        (migrations.AddField("client", "new", models.CharField(max_length=9, default="")), False),
        (migrations.RemoveField("client", "scope"), False),
        (migrations.RenameField("client", "scope", "scopes"), False),
        (migrations.DeleteModel("Rule"), False),
        (migrations.AddConstraint("rule", models.UniqueConstraint(fields=["effect"], name="one")), False),
    ],
)
def test_the_rule_itself(operation: Any, is_fine: bool) -> None:
    assert is_additive(operation, set()) is is_fine


@pytest.mark.parametrize(
    ("statement", "is_fine"),
    [
        ("ALTER TABLE authz_rule ADD COLUMN used integer", True),
        ("CREATE TRIGGER x", True),
        ("ALTER TABLE authz_rule DROP COLUMN name", False),
        ("alter table authz_rule rename to authz_rules", False),
        ("ALTER TABLE authz_rule RENAME COLUMN name TO title", False),
        ("ALTER TABLE authz_rule ALTER COLUMN name SET NOT NULL", False),
        ("DROP TABLE authz_rule", False),
    ],
)
def test_the_rule_for_sql(statement: str, is_fine: bool) -> None:
    assert (TAKES_AWAY.search(statement) is None) is is_fine


def test_no_sql_that_came_after_the_release_takes_anything_away() -> None:
    """Django does not say what `RunSQL` and `RunPython` do, so the file is read."""
    files = {where.partition(":")[0]: Path(file) for where, file in _files()}
    assert len(files) > 20
    # What a line does that says so is done on the way back, when the newer version is given up.
    read = {name: re.sub(r".*# reversed$", "", file.read_text(), flags=re.MULTILINE) for name, file in files.items()}
    assert [name for name, written in read.items() if TAKES_AWAY.search(written)] == []


def _files() -> Iterator[tuple[str, str]]:
    for where, _ in newer():
        app, name = where.partition(":")[0].split()
        yield where, str(inspect.getfile(type(loader.disk_migrations[app, name])))


@pytest.mark.django_db
@pytest.mark.parametrize("app", RELEASED)
def test_rows_as_the_older_version_writes_them_are_written_read_and_changed(app: str) -> None:
    """Each table that it knows: its INSERT names its own columns alone, and this version reads the row."""
    older = released_apps()
    for model in older.get_app_config(app).get_models(include_auto_created=False):
        # The generation is one row, which is there already.
        if not model._meta.managed or model._meta.proxy or model._meta.model_name == "generation":
            continue
        with transaction.atomic():
            made = _made(model, older)
            ours = apps.get_model(app, model._meta.model_name)._base_manager.get(pk=made.pk)
            assert ours.pk == made.pk
            if model._meta.model_name not in {"auditevent"}:  # append-only
                model._base_manager.filter(pk=made.pk).update(
                    **{_some_column(model): _value(made, _some_column(model))}
                )
            assert model._base_manager.get(pk=made.pk)


def _some_column(model: Any) -> str:
    return next((field.name for field in model._meta.concrete_fields if not field.primary_key), model._meta.pk.name)


def _value(row: Any, name: str) -> Any:
    return getattr(row, name)


def _made(model: Any, older: Any) -> Any:
    """A row of an older version's model, with everything it needs."""
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.remote_field is not None and not field.null:
            values[field.name] = _made(field.remote_field.model, older)
        elif not field.has_default() and not field.null and not isinstance(field, models.AutoField):
            values[field.name] = _sample(field)
        elif field.unique and isinstance(field, models.CharField):
            values[field.name] = uuid.uuid4().hex[: field.max_length]
    return model._base_manager.create(**values)


def _sample(field: Any) -> Any:
    if isinstance(field, models.DateTimeField):
        return datetime.now(UTC)
    if isinstance(field, models.DateField):
        return date.today()  # noqa: DTZ011  any day
    if isinstance(field, models.IntegerField | models.FloatField):
        return 1
    if isinstance(field, models.BinaryField):
        return b"bytes"
    if isinstance(field, models.JSONField):
        return {}
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, models.BooleanField):
        return False
    return uuid.uuid4().hex[: field.max_length or 32]


@pytest.mark.django_db
def test_what_the_older_version_changes_is_seen_by_this_one_at_once() -> None:
    """Its writes change the generation, with the triggers of either version."""
    from authz.models import Generation

    older = released_apps()
    rule = older.get_model("authz", "Rule")
    before = Generation.objects.get().value
    rule.objects.create(name="Written by the older version", effect="deny", definition={})
    assert Generation.objects.get().value != before
    assert connection.vendor in {"sqlite", "postgresql"}
