"""A call of a tool, as a question puts it, and how rules name tools and labels.

tools    exact names, `payroll_*` for all names that begin so, or "*" alone. Names differ in case.
labels   the organisation's words for MCP servers, scopes and tools, such as `pii`; always exact.

A rule that names tools, or has conditions on arguments or on what is unusual, speaks of calls. `decide.py` says what it
means for a token.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from authz.policy.parsing import RuleError, texts
from authz.policy.unusual import Unusual

# > Tool names SHOULD be between 1 and 128 characters in length (inclusive). […] The following SHOULD be the only
# > allowed characters: uppercase and lowercase ASCII letters (A-Z, a-z), digits (0-9), underscore (_), dash (-), and
# > dot (.) (MCP 2025-11-25, Tools). Earlier names have a slash.
_TOOL_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_LABEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool at the question's resource.

    name        of the tool on its server, as the call has it: neither trimmed nor normalised. Rules that name tools
                count a name with other characters than those of MCP as not known.
    labels      that the organisation gave the tool (`tools` of the resource); None if the tool isn't known, which is
                not the same as a tool without labels.
    arguments   the members of the call's `arguments`, as JSON values: str, bool, None, list, dict, and numbers as int
                or Decimal, never float. The reader has refused duplicate names, lone surrogates and what isn't JSON.
                None if the arguments aren't known, {} for a call without any.
    recorded    of a call that is read back from the audit, the members of its arguments that are known; None for all.
    digest      names this very call (tool and arguments) to approvals of one call; "" where none can be meant.
    unusual     what is unusual about it (unusual.py); None if that isn't known, as with a made-up call.
    """

    name: str
    labels: frozenset[str] | None = None
    arguments: Mapping[str, object] | None = None
    digest: str = ""
    unusual: frozenset[Unusual] | None = None
    recorded: frozenset[str] | None = field(default=None, compare=False)


def is_tool_name(name: str) -> bool:
    """Whether rules can tell this name from others."""
    return bool(_TOOL_NAME.fullmatch(name))


def tool_patterns(value: object, field: str) -> tuple[str, ...]:
    """A list of patterns of tools. Raises `RuleError`."""
    found = texts(value, field)
    for position, pattern in enumerate(found):
        name = pattern if pattern == "*" else pattern.removesuffix("*")
        if "*" in name and name != "*":
            raise RuleError(f"{field}[{position}]", "may have “*” only at its end, as in “payroll_*”.")
        if name != "*" and not is_tool_name(name):
            raise RuleError(f"{field}[{position}]", "is not a tool’s name: letters, digits and “_”, “-”, “.”, “/”.")
    return found


def matches_tool(pattern: str, name: str) -> bool:
    """Whether a pattern means a tool of this name."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def labels_of_tool(name: str, listed: Iterable[tuple[str, Iterable[str]]]) -> frozenset[str] | None:
    """The labels of a tool, from a server's list of (pattern, labels); all patterns that mean it count.

    None where the list has other tools and not this one. A server without a list has no tools with labels of their own.
    """
    entries = list(listed)
    if not is_tool_name(name):
        return None
    found = [labels for pattern, labels in entries if matches_tool(pattern, name)]
    return None if entries and not found else frozenset().union(*found)


def label_names(value: object, field: str) -> tuple[str, ...]:
    """A list of labels. Raises `RuleError`."""
    found = texts(value, field)
    for position, label in enumerate(found):
        if not _LABEL.fullmatch(label):
            raise RuleError(
                f"{field}[{position}]", "is not a label: small letters, digits and “_”, “-”, “.”, at most 63."
            )
    return found
