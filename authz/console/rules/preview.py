"""The rule in words while it is written: what the form means now, and what it names in vain."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST

from authz.console.refusing import read_number
from authz.console.rules import unmatched
from authz.console.rules.form import RuleForm
from authz.console.site import console
from authz.console.widgets import sentences
from authz.models import Rule


@console.page("rule_preview/", "rule_preview")
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """A part of a page for the form as it stands; `?rule=` is the number of the saved rule. It saves nothing. Raises
    `PermissionDenied`.
    """
    if not request.user.has_perm("authz.change_rule"):
        raise PermissionDenied
    number = read_number(request, "rule")
    saved = Rule.objects.filter(pk=number).first() if number is not None else None
    form = RuleForm(request.POST, instance=saved or Rule())
    has_errors = bool(form.errors)
    context = {
        "sentence": "" if has_errors else sentences.of_rows([form.instance])[0],
        "unmatched": [] if has_errors else unmatched.told(form.instance),
        "missing": [_label(form, name) for name in form.errors],
    }
    return TemplateResponse(request, "console/rule_preview.html", context)


def _label(form: RuleForm, name: str) -> str:
    return str(form.fields[name].label or name) if name in form.fields else "the form as a whole"
