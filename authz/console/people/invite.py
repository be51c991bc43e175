"""The page that invites a person, and shows the link once where no mail brings it."""

from datetime import UTC, datetime

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.console.model_admin import person
from authz.console.site import console
from authz.models import Invitation, User
from authz.sign_in import invitations
from authz.sign_in.roles import CONFIGURE

MAIL, LINK = "mail", "link"


class InviteForm(forms.Form):
    how = forms.ChoiceField(label="How it reaches them", widget=forms.RadioSelect)

    def __init__(self, user: User, data: object = None) -> None:
        super().__init__(data, initial={"how": MAIL}, label_suffix="")  # type: ignore[arg-type]  # a QueryDict
        self.fields["how"].choices = [  # type: ignore[attr-defined]  # a ChoiceField has them
            (MAIL, f"By mail to {user.email}"),
            (LINK, "Show me the link, and I send it"),
        ]


def may_invite(request: HttpRequest) -> bool:
    return request.user.has_perm(CONFIGURE)


def last_of(user: User) -> Invitation | None:
    return Invitation.objects.filter(user=user).order_by("-created").first()


def view(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the question. POST: make the invitation; the former one stops working."""
    if not may_invite(request):
        raise PermissionDenied(CONFIGURE)
    user = get_object_or_404(User, pk=pk)
    can_mail = invitations.mail_reaches(user)
    form = InviteForm(user, request.POST if request.method == "POST" else None) if can_mail else None
    problem, link = invitations.why_not(user), ""
    if request.method == "POST" and not problem and (form is None or form.is_valid()):
        by_mail = form is not None and form.cleaned_data["how"] == MAIL
        try:
            made = _invited(request, user, by_mail)
        except invitations.CannotInviteError as refused:
            problem = str(refused)
        else:
            if made.mailed_to:
                messages.success(request, f"A mail to {made.mailed_to} is on its way.")
                return HttpResponseRedirect(reverse("admin:authz_user_change", args=[pk]))
            link = made.link
    now = datetime.now(UTC)
    context = {
        **console.each_context(request),
        "opts": User._meta,
        "title": "The invitation" if link else "Invite this person?",
        "person": user,
        "form": form,
        "problem": problem,
        "link": link,
        "is_invited": invitations.is_invited(user, now),
    }
    return TemplateResponse(request, "console/person_invite.html", context)


def _invited(request: HttpRequest, user: User, by_mail: bool) -> invitations.Made:
    me = person(request)
    return invitations.invite(user, by=me.username, by_subject=str(me.subject), mail=by_mail, now=datetime.now(UTC))
