"""Extensions: those that are switched on and do not work."""

from collections.abc import Iterator
from datetime import UTC, datetime

from authz.extensions.listing import listed
from authz.operations.doctor.finding import ERROR, LATELY, WARNING, Finding

_REMEDIES = {
    "broken": "Mend the package and restart, or switch it off (docs/extensions.md).",
    "not installed": "Install its package in this server’s environment, or take it out of the configuration.",
    "refused": "Uninstall all but one of the packages, or give the extension an id of your own domain.",
}


def extensions(now: float) -> Iterator[Finding]:
    """Does each extension that is installed or switched on work, and has none failed lately?"""
    for extension in listed():
        named = f"{extension.identifier}{f' ({extension.package})' if extension.package else ''}"
        if extension.state in _REMEDIES and (extension.state != "not installed" or extension.enabled):
            says = f"{named} is {extension.state}{f': it {extension.because}' if extension.state == 'refused' else ''}"
            says += f": {extension.because}" if extension.state == "broken" else ""
            yield Finding(ERROR, "extensions", f"{says}.", _REMEDIES[extension.state])
        elif extension.fault and datetime.fromtimestamp(now - LATELY, UTC) < extension.fault.time:
            fault = extension.fault
            says = f"{named} failed at {fault.time:%Y-%m-%d %H:%M} UTC ({fault.part}): {fault.problem}."
            yield Finding(WARNING, "extensions", says, "What depended on it was refused. Ask who maintains it.")
