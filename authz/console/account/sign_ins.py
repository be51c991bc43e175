"""A person's own sign-ins on `/account/`, and ending some of them."""

from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from authz.console.model_admin import person
from authz.console.people.sign_ins import end
from authz.models import BrowserSession
from authz.sign_in import sign_ins
from authz.sign_in.session import session_digest


@login_required
@never_cache
def mine(request: HttpRequest) -> HttpResponse:
    """GET: where the person is signed in. POST: end those that are chosen, with what agents got in them."""
    now = datetime.now(UTC)
    here = session_digest(request.session.session_key or "")
    if request.method == "POST":
        # Of one's own alone, whatever the form names; this browser has “Sign out”.
        chosen = BrowserSession.objects.filter(user=person(request), digest__in=request.POST.getlist("id"))
        digests = list(chosen.exclude(digest=here).values_list("digest", flat=True))
        ended = end(digests, by=person(request), reason="ended by the person", now=now)
        messages.success(request, f"{ended} sign-in{'s' * (ended != 1)} ended." if ended else "None was chosen.")
        return redirect("account_sign_ins")
    rows = sign_ins.of_person(person(request), now)
    return render(request, "account/sign_ins.html", {"rows": rows, "here": here, "others": len(rows) > 1})
