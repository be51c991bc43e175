"""Less than a person: the members of a complex subject that narrow it to an agent, a session or one authorization.

> When a Complex Claim is used as the subject, the revocation event applies to any session derived from matching those
> combined claims. (CAEP 1.0 §3.1)

> For Complex Subjects, two subjects match if, for all fields in the Complex Subject (i.e. `user`, `group`, `device`,
> etc.), at least one of the following statements is true: 1. Subject 1's field is not defined 2. Subject 2's field is
> not defined 3. Subject 1's field is identical to Subject 2's field (SSF 1.0 §8.1.3.1)

So a sign-in that is known to be another session stays, and one of which the issuer never said its session ends. Which
agent an authorization is for is always known. What is named in a way that is not understood narrows by something that
we can't tell, and nothing is done: never more than was said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from authz.conf import conf
from authz.models import Client
from xaa.models import SignalSource, SignInClient
from xaa.signals import subjects
from xaa.signals.receiving.why import Why
from xaa.signals.subjects import Complex, IssSub, JwtId, Opaque, Simple, Subject, Uri

# Members that narrow a person down. A device does, too, and no device of a person is known here, so that any of their
# sessions may be on it.
# > All members within a Complex Subject MUST represent attributes of the same Subject Principal. (SSF 1.0 §3.3.1)
# Beside a user, organizational unit and group say something of the user, and narrow nothing.
_KNOWN = frozenset(
    {
        *(subjects.USER, subjects.TENANT, subjects.DEVICE, subjects.ORG_UNIT, subjects.GROUP),
        *(subjects.SESSION, subjects.APPLICATION),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of a person an event is about; a field that is None does not narrow.

    agent      the client_id here: what this agent has for the person.
    sign_ins   only the sign-ins at this server, and what rests on them: the issuer's event names us as the application.
    sessions   the issuer's names (`sid`) of one session.
    assertion  the `jti` of an ID-JAG: the authorizations that were made from it.
    is_bare    the subject is that token alone, and so says whose account it is, too.
    """

    agent: str | None = None
    sign_ins: bool = False
    sessions: frozenset[str] | None = None
    assertion: str | None = None
    is_bare: bool = False


def of(source: SignalSource, transmitter: str, subject: Subject) -> Part | Why | None:
    """None for all of the person."""
    if not isinstance(subject, Complex):
        jti = next((one.jti for _, one in subjects.simple_parts(subject) if isinstance(one, JwtId)), None)
        return Part(assertion=jti, is_bare=True) if jti is not None else None
    if set(subject.members) - _KNOWN:
        return Why.MEMBER
    own = frozenset({source.issuer.issuer, transmitter})
    application, session_named = (subject.members.get(name) for name in (subjects.APPLICATION, subjects.SESSION))
    agent = _agent(source, own, application) if application is not None else None
    session = _session(own, session_named) if session_named is not None else None
    if isinstance(agent, Why):
        return agent
    if isinstance(session, Why):
        return session
    if agent is None and session is None:
        return None
    part = session if isinstance(session, Part) else Part()
    if agent == _US:
        return replace(part, sign_ins=True)
    return part if agent is None else replace(part, agent=agent)


# An application that is this server: as which the issuer signs people in to us.
_US = ""


def _agent(source: SignalSource, own: frozenset[str], said: Simple) -> str | Why:
    """The one client that an `application` names, by its id here or by the issuer's id of it."""
    found, is_read = set[str](), False
    for one in _each(said):
        match one:
            case IssSub(iss, name) if iss == conf.issuer:
                found |= _ours(name)
            case IssSub(iss, name) if iss in own:
                found |= _theirs(source, name)
            case IssSub():
                return Why.OTHER_ISSUER
            case Opaque(name) | Uri(name):
                found |= _ours(name) | _theirs(source, name)
            case _:
                continue
        is_read = True
    if not is_read:
        return Why.MEMBER
    if len(found) > 1:
        return Why.TWO_AGENTS
    return next(iter(found)) if found else Why.AGENT


def _ours(name: str) -> set[str]:
    return {name} if Client.objects.filter(client_id=name).exists() else set()


def _theirs(source: SignalSource, name: str) -> set[str]:
    mapped = {source.issuer.client_ids[name]} if name in source.issuer.client_ids else set()
    is_us = SignInClient.objects.filter(issuer=source.issuer, client_id=name).exists()
    return mapped | ({_US} if is_us else set())


def _session(own: frozenset[str], said: Simple) -> Part | Why:
    names, tokens = set[str](), set[str]()
    for one in _each(said):
        match one:
            case Opaque(sid):
                names.add(sid)
            case IssSub(iss, sid) if iss in own:
                names.add(sid)
            case JwtId(iss, jti) if iss in own:
                tokens.add(jti)
            case IssSub() | JwtId():
                return Why.OTHER_ISSUER
    if len(tokens) > 1:
        return Why.TWO_SESSIONS
    if tokens:
        return Part(assertion=next(iter(tokens)))
    return Part(sessions=frozenset(names)) if names else Why.MEMBER


def _each(said: Simple) -> Iterator[Simple]:
    yield from (one for _, one in subjects.simple_parts(said))
