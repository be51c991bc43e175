"""One search for the whole console: paste what you have, and it leads to what it is.

A token itself is never sent: the page's script reads it in the browser, and only its `jti` or the identifier of its
authorization leaves (authz/static/gatehouse/find.js). `cimd` and `xaa` register finders for what they know.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from authz.audit import periods
from authz.console.model_admin import person
from authz.console.search import events, forms, things
from authz.console.search.hits import Hit, all_finders
from authz.console.site import console

__all__ = ["events", "things"]

# Characters; no identifier is longer.
LONGEST = 2048
# A sentence of so many words is not looked up word by word.
MOST_WORDS = 8

# Kinds without a button of their own, whose page says how they stop.
ENDED_ELSEWHERE = frozenset({"Rule", "Metadata document"})


@dataclass(slots=True)
class Found:
    """What a text leads to. `unknown` are the words that nothing is called by."""

    hits: list[Hit] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@console.page("find/", "find")
@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """`?q=…`: at once to the one thing that it names, or a page of what it may mean."""
    text = forms.bare(request.GET.get("q", "")[:LONGEST])
    is_secret = forms.is_secret(text)
    found = Found() if is_secret else look(request, text)
    exact = [hit for hit in found.hits if hit.is_exact]
    if len(exact) == 1 and not found.unknown:
        return HttpResponseRedirect(exact[0].url)
    context = {
        **console.each_context(request),
        "title": "Find",
        "q": "" if is_secret else text,
        "is_secret": is_secret,
        "hits": sorted(found.hits, key=lambda hit: not hit.is_exact),
        "unknown": found.unknown,
    }
    return TemplateResponse(request, "console/find.html", context)


def to_end(request: HttpRequest, text: str) -> Found:
    """What a text leads to, of that whose access can be ended, and rules."""
    found = look(request, forms.bare(text[:LONGEST]))
    hits = [hit for hit in found.hits if hit.ends or hit.kind in ENDED_ELSEWHERE]
    return Found(sorted(hits, key=lambda hit: not hit.is_exact), found.unknown)


def look(request: HttpRequest, text: str) -> Found:
    """All of the text as one name; or else the identifiers in it; or else each of its words, with a time among them."""
    whole = list(_hits(request, forms.unlabelled(text))) if text else []
    if not any(hit.is_exact for hit in whole) and (ids := forms.ids_in(text)):
        within = [hit for one in ids for hit in _hits(request, one)]
        if within:
            return Found(list(dict.fromkeys(within)))
    if whole or not text:
        return Found(whole)
    if found := _at_a_time(request, text):
        return found
    words = text.split()
    if not 1 < len(words) <= MOST_WORDS:
        return Found(unknown=[text])
    found = Found()
    for word in words:
        # What is left of a label, such as `Reference:`.
        hits = [] if forms.unlabelled(f"{word}x") == "x" else list(_hits(request, forms.unlabelled(forms.bare(word))))
        found.hits += [hit for hit in hits if hit not in found.hits]
        if not hits and forms.unlabelled(f"{word}x") != "x":
            found.unknown.append(word)
    return found


def _at_a_time(request: HttpRequest, text: str) -> Found | None:
    """What a person or an agent did then: a name with a time before or after it, such as `nightly-report yesterday`."""
    if not request.user.has_perm("authz.view_auditevent"):
        return None
    words = text.split()
    for cut in range(1, len(words)):
        for what, when in ((words[:cut], words[cut:]), (words[cut:], words[:cut])):
            period = periods.meant(" ".join(when), datetime.now(UTC))
            if period is None:
                continue
            hits = [hit for hit in _hits(request, forms.unlabelled(forms.bare(" ".join(what)))) if hit.ends]
            hits = [hit for hit in hits if hit.is_exact] or hits
            if then := [events.of_thing(hit, period) for hit in hits if hit.ends and hit.ends[0] in events.WORDS]:
                return Found(then)
    return None


def _hits(request: HttpRequest, text: str) -> Iterator[Hit]:
    seen: set[str] = set()
    for finder in all_finders():
        if text and request.user.has_perm(finder.permission):
            for hit in finder.find(text, person(request)):
                if hit.url not in seen:
                    seen.add(hit.url)
                    yield hit
