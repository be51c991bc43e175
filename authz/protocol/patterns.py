"""The one matcher of administrators' patterns with stars against outside text, in time linear in both.

    spiffe://test/*/web     a star inside stands for one segment: one or more characters, and no `/` or `:`
    repo:acme/app:*         a star at the end stands for the rest: one or more characters of any kind

It is no regular expression: those go back and try again, so that `*-*-*-prod` holds a process for seconds over a text
of dashes (attack 43). Nothing here goes back. That is right because the earliest place of each part is the best:
the star behind it stays in the same segment, and from there reaches all that it could reach from a later place.

Match only what a signature vouches for: a pattern must not be a stranger's to try.
"""

SEPARATORS = "/:"
STAR = "*"


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` is what `pattern` says. Letter case counts."""
    first, *parts = pattern.split(STAR)
    if not parts:
        return text == pattern
    if not text.startswith(first):
        return False
    place, last = len(first), parts.pop()
    end = _segment_end(text, place, len(text))
    for part in parts:
        found = _after_a_star(part, text, place, end)
        if found is None:
            return False
        place = found
        if place > end:
            end = _segment_end(text, place, len(text))
    if not last:
        return place < len(text)
    start = len(text) - len(last)
    return place < start <= end and text.endswith(last)


def _after_a_star(part: str, text: str, place: int, end: int) -> int | None:
    """Where `part` ends, at its earliest behind one or more characters of the segment from `place` to `end`."""
    offset = _segment_end(part, 0, len(part))
    if offset < len(part):
        # The star has no separator, so the part's first one can only be the text's next.
        start = end - offset
        return start + len(part) if start > place and text.startswith(part, start) else None
    # Neither has one: all of it lies in this segment. An empty part (two stars in a row) is found at once.
    start = text.find(part, place + 1, end)
    return start + len(part) if start > place else None


def _segment_end(text: str, start: int, end: int) -> int:
    found = [at for separator in SEPARATORS if (at := text.find(separator, start, end)) >= 0]
    return min(found, default=end)
