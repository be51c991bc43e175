"""What the people of this server are called at a resource authorization server (the `aud_sub` of an ID-JAG)."""

from authz.models import User
from authz.sign_in import people
from xaa.models import ResourceAuthorizationServer, SubjectLink
from xaa.resource_authorization_servers import Server

AudSub = ResourceAuthorizationServer.AudSub


def aud_sub(server: Server, user: User) -> str:
    """The name, as the server's configuration says it is known; "" where none is configured or none is known.

    > `aud_sub`: OPTIONAL - The Resource Authorization Server's identifier for the End-User (ID-JAG §3)

    It is a statement about another server's names, so it is never an address that only the person entered.
    """
    match server.aud_sub:
        case AudSub.USERNAME:
            return str(user.username)
        case AudSub.EMAIL:
            return user.email if people.is_vouched_for(user) else ""
        case AudSub.LINKED:
            links = SubjectLink.objects.filter(user=user, issuer__issuer=server.issuer, issuer__enabled=True)
            if server.aud_tenant:
                links = links.filter(tenant=server.aud_tenant)
            found = list(links.values_list("subject", flat=True)[:2])
            return found[0] if len(found) == 1 else ""
        case _:
            return ""
