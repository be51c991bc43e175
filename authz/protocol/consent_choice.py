"""What a person leaves ticked on a consent page: some or all of the scopes that it showed, never more."""

from collections.abc import Collection, Sequence

from authz.protocol.scope_names import IDENTITY_SCOPES


class NotOfThisPageError(ValueError):
    """A box that the page did not have, or one that was sent twice."""


def chosen(ticked: Sequence[str], *, boxes: Collection[str]) -> frozenset[str]:
    """The ticked boxes of a form, as it was sent. Raises `NotOfThisPageError`.

    > The authorization server MAY fully or partially ignore the scope requested by the client, based on the
    > authorization server policy or the resource owner's instructions. (RFC 6749 §3.3)

    So what a person leaves out is left out. A form of ours sends each box of its page once at most; any other form was
    made by another page, and counts for nothing.
    """
    found = frozenset(ticked)
    if len(found) != len(ticked) or not found <= set(boxes):
        raise NotOfThisPageError
    return found


def is_something(names: Collection[str], *, is_for_resource: bool) -> bool:
    """Whether what remains is worth a code: a scope of the resource, or the person's identity where only that is asked
    for. A token without a scope of its resource would let the agent do nothing there."""
    return any(name not in IDENTITY_SCOPES for name in names) if is_for_resource else "openid" in names
