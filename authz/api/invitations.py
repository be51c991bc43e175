"""`/people/{username}/invitation`: invite a person to choose their first password."""

from datetime import UTC, datetime

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import MOMENT, SWITCH, TEXT, mapping
from authz.api.framework.view import ApiView, principal_of
from authz.models import User
from authz.sign_in import invitations
from authz.sign_in.roles import CONFIGURE


class Invitation(ApiView):
    """A link that works once within three days; the former one stops working. `mail` sends it to the person, and the
    answer has no link then."""

    requires = {"POST": CONFIGURE}
    takes = {"POST": mapping(mail=SWITCH)}
    answers = {"POST": mapping(username=TEXT, expires=MOMENT, link=TEXT, mailed_to=TEXT)}
    statuses = {"POST": (201,)}

    def post(self, request: Request, username: str) -> Response:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise Http404
        mail = self.body(request).get("mail", False)
        if not isinstance(mail, bool):
            raise invalid("mail", "is true or false")
        if mail and not invitations.mail_reaches(user):
            raise Problem(409, "There is no mail server, or the person has no address.")
        by = principal_of(request).by
        try:
            made = invitations.invite(user, by=by.name, by_subject=by.subject, mail=mail, now=datetime.now(UTC))
        except invitations.CannotInviteError as problem:
            raise Problem(409, str(problem)) from None
        where = {"mailed_to": made.mailed_to} if made.mailed_to else {"link": made.link}
        answer = {"username": user.username, "expires": made.invitation.expires.isoformat(), **where}
        return Response(answer, status=201)
