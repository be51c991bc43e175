"""Patient consent: a request for records says which consent it rests on, rules can demand one, and tokens name it.

Nothing of the server is imported: docs/extensions.md has the contract.
"""

TITLE = "Patient consent"

SETTINGS = {
    "type": "object",
    "properties": {"registry": {"type": "string", "description": "Who keeps the consents."}},
    "required": ["registry"],
    "additionalProperties": False,
}

FIELDS = [
    {
        "name": "reference",
        "label": "Consent reference",
        "help": "As on the form that the patient signed, such as C-2026-0001.",
        "required": True,
        "pattern": "C-[0-9]{4}-[0-9]{4}",
    }
]

# A rule says {} for any consent, or the year from which it has to be.
CONDITION = {
    "type": "object",
    "properties": {"since": {"type": "integer", "minimum": 2000}},
    "additionalProperties": False,
}


def condition(facts, wanted, settings):
    """Whether a live approval rests on a consent: True or False, and None where no one has asked."""
    references = [fields["reference"] for fields in facts["approved"] if "reference" in fields]
    if not references:
        return None
    return any(int(reference[2:6]) >= wanted.get("since", 0) for reference in references)


def claim(facts, settings):
    """What the MCP server reads in the token."""
    return {"registry": settings["registry"]}


EVENTS = {"cited": "Access was approved that rests on a consent."}


def events(happened, request, settings):
    if happened != "request_approved":
        return []
    return [("cited", {"reference": request["fields"]["reference"], "registry": settings["registry"]})]


def panels(page, about, settings):
    if page != "extension":
        return []
    return [{"title": "Consents", "columns": ["Registry"], "rows": [[settings["registry"]]]}]
