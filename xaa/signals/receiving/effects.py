"""What an event does about its person, in the transaction that claims it; and what it would do, for a preview."""

from authz.authorizations import cut_off
from xaa.signals.receiving import addresses, deciding, sign_outs, switch
from xaa.signals.receiving.about import About, Effect
from xaa.signals.receiving.actions import Action


def take(about: About, action: Action) -> Effect:
    """Inside `unit_of_work()`, after the claim. Raises `subject_effects.MovedError`."""
    match action:
        case Action.END if about.part is None:
            return switch.end(about)
        case Action.END:
            # One agent, one session: the account is more than was said.
            return sign_outs.end(about)
        case Action.SESSIONS:
            return sign_outs.end(about)
        case Action.DECIDE:
            return deciding.take_claims(about)
        case Action.GIVE_BACK | Action.ADDRESS if about.part is not None:
            return Effect(kept=True, note="It is about less than the person.")
        case Action.GIVE_BACK:
            return switch.give_back(about)
        case Action.ADDRESS:
            return addresses.change(about)
    return Effect()


def preview(about: About, action: Action) -> int:
    """How many authorizations and sign-ins it would end. What would be decided anew is not known before."""
    if action is Action.END and about.part is None:
        counts = cut_off.preview(cut_off.target("person", about.person.user.username), about.now).counts
        return counts["authorizations"] + counts["sign-ins"]
    return sign_outs.preview(about) if action in {Action.SESSIONS, Action.END} else 0
