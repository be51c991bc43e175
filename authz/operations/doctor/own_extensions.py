"""Extensions: those that are switched on and do not work."""

from collections.abc import Iterator
from datetime import UTC, datetime

from authz.extensions.listing import listed
from authz.models import Rule
from authz.operations.doctor.finding import ERROR, LATELY, SHOWN, WARNING, Finding

_REMEDIES = {
    "broken": "Mend the package and restart, or switch it off (docs/extensions.md).",
    "not installed": "Install its package in this server’s environment, or take it out of the configuration.",
    "refused": "Uninstall all but one of the packages, or give the extension an id of your own domain.",
}


def extensions(now: float) -> Iterator[Finding]:
    """Does each extension that is installed, switched on or named by rules work, and has none failed lately?"""
    found = listed()
    working = {extension.identifier for extension in found if extension.state == "on"}
    for identifier, rules in _named().items():
        if identifier not in working:
            says = f"{identifier} is not on, and rules have its condition: {', '.join(rules[:SHOWN])}."
            yield Finding(ERROR, "extensions", says, "Switch it on, or change the rules: what they permit is refused.")
    for extension in found:
        named = f"{extension.identifier}{f' ({extension.package})' if extension.package else ''}"
        if extension.state in _REMEDIES and (extension.state != "not installed" or extension.enabled):
            says = f"{named} is {extension.state}{f': it {extension.because}' if extension.state == 'refused' else ''}"
            says += f": {extension.because}" if extension.state == "broken" else ""
            yield Finding(ERROR, "extensions", f"{says}.", _REMEDIES[extension.state])
        elif extension.fault and datetime.fromtimestamp(now - LATELY, UTC) < extension.fault.time:
            fault = extension.fault
            says = f"{named} failed at {fault.time:%Y-%m-%d %H:%M} UTC ({fault.part}): {fault.problem}."
            yield Finding(WARNING, "extensions", says, "What depended on it was refused. Ask who maintains it.")


def _named() -> dict[str, list[str]]:
    """The rules that are enabled, by the extensions whose conditions they have."""
    named: dict[str, list[str]] = {}
    for rule in Rule.objects.filter(enabled=True).order_by("name"):
        for identifier in (rule.definition.get("conditions") or {}).get("extensions") or {}:
            named.setdefault(identifier, []).append(rule.name)
    return named
