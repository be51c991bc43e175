"""Hints name a command as it is called: `gatehouse …` where pip installed the server, else `manage.py …`."""

import pytest
from django.template import engines
from django.test import override_settings

from authz.conf import as_called
from authz.operations.doctor.finding import Finding
from demo.processes import ROOT

pytestmark = pytest.mark.any_database
PAGE = '{% load command %}{% command "keys ensure" %}'


@pytest.mark.parametrize(("is_installed", "program"), [(True, "gatehouse"), (False, "manage.py")])
def test_a_hint_names_the_command_that_there_is(is_installed: bool, program: str) -> None:
    with override_settings(IS_INSTALLED=is_installed):
        assert as_called("Run `manage.py keys ensure`.") == f"Run `{program} keys ensure`."
        assert Finding("error", "keys", "No key signs.", "`manage.py keys ensure`").do == f"`{program} keys ensure`"
        assert engines["django"].from_string(PAGE).render() == f"{program} keys ensure"


def test_no_page_names_a_command_by_hand() -> None:
    named = [path for path in (ROOT / "templates").rglob("*.html") if "manage.py" in path.read_text()]
    assert named == []
