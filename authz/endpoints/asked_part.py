"""The part of a question that a person asks others for: the scopes that they left ticked on the page that offers it."""

from collections.abc import Sequence
from dataclasses import replace

from django.http import HttpRequest

from authz.policy import AccessQuestion
from authz.protocol import consent_choice
from authz.protocol.consent_choice import NotOfThisPageError


def asked_part(request: HttpRequest, question: AccessQuestion, offered: Sequence[str]) -> AccessQuestion | None:
    """The question for the ticked ones of the offered scopes. None if nothing is ticked, or the form isn't that of the
    page. A single scope has no box.
    """
    ticked = request.POST.getlist("scope") if len(offered) > 1 else list(offered)
    try:
        kept = consent_choice.chosen(ticked, boxes=offered)
    except NotOfThisPageError:
        return None
    return replace(question, scopes=tuple(pair for pair in question.scopes if pair[0] in kept)) if kept else None
