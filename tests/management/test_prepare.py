"""`manage.py prepare`: one command before a server starts, and as often as you like."""

from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from authz import keys
from authz.models import AuditEvent, SigningKey, User

pytestmark = pytest.mark.django_db


def prepare(*configuration: str) -> str:
    out = StringIO()
    call_command("prepare", *configuration, stdout=out)
    return out.getvalue()


def test_an_empty_database_gets_keys_and_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "organisation.yaml"
    file.write_text("users: [{username: zoe}]")
    assert prepare(str(file)).count("made ") == len(keys.ALGORITHMS)
    assert User.objects.filter(username="zoe").exists()


def test_again_it_changes_nothing(tmp_path: Path) -> None:
    prepare()
    made, recorded = set(SigningKey.objects.values_list("kid", flat=True)), AuditEvent.objects.count()
    assert prepare() == ""
    assert set(SigningKey.objects.values_list("kid", flat=True)) == made
    assert AuditEvent.objects.count() == recorded


def test_with_settings_that_a_check_calls_an_error_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SECRET_KEY", "short")
    with pytest.raises(CommandError, match=r"^Settings: .* needs at least 32 characters \(authz\.E011\)$"):
        prepare()
    assert not SigningKey.objects.exists()


def test_a_wrong_file_is_named_and_the_keys_are_there_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "organisation.yaml"
    file.write_text("users: [{username: zoe, shoe_size: 39}]")
    with pytest.raises(CommandError, match=r"organisation\.yaml: line 1.*Nothing was changed"):
        prepare(str(file))
    assert not User.objects.filter(username="zoe").exists()
