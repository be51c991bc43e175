"""Addresses that an issuer says are no longer a person's."""

from authz.models import User
from authz.protocol import email_addresses, host_patterns
from authz.sign_in import people as people_here
from xaa.signals import subjects
from xaa.signals.receiving.about import About, Effect
from xaa.signals.receiving.events import SignalEvent


def change(about: About) -> Effect:
    user = User.objects.select_for_update().get(pk=about.person.user.pk)
    old = _old_address(about)
    if not email_addresses.are_same(user.email, old):
        return Effect(note="The person has another address here.")
    # An address opens the way to a new password: the issuer speaks for accounts alone that are its own (attack 38).
    if not user.is_from_elsewhere or user.has_usable_password() or user.role != User.Role.NONE:
        return Effect(kept=True, note="The account is not the issuer's own, or has a role here.")
    new, note = _new_address(about, user)
    before, user.email = {"email": user.email}, new
    user.save(update_fields=["email"])
    about.record(SignalEvent.ADDRESS_CHANGED, cleared=not new)
    return Effect(before=before, note=note)


def _old_address(about: About) -> str:
    subject = about.event.subject
    parts = subjects.simple_parts(subject) if subject is not None else ()
    return next((one.email for _, one in parts if isinstance(one, subjects.Email)), "")


def _new_address(about: About, user: User) -> tuple[str, str]:
    """The new address, "" where none may be taken over; the old one is no longer the person's in any case."""
    new = about.event.members.get("new-value")
    if not isinstance(new, str) or not email_addresses.is_address(new):
        return "", "The address is removed: no new one was said."
    domains = about.trust.email_domains
    if not domains or not host_patterns.matches(domains, host_patterns.normal(new.rpartition("@")[2])):
        return "", "The address is removed: the issuer may not speak for the new one's domain."
    if any(other.pk != user.pk for other in people_here.with_address(new)):
        return "", "The address is removed: another person has the new one."
    return new, "The address is changed."
