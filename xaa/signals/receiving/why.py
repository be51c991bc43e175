"""Why an event finds nothing that it may be about."""

from authz.protocol.sentences import WithSentence


class Why(WithSentence):
    UNKNOWN = "unknown", "No one here is linked to the issuer under this identifier."
    AMBIGUOUS = "ambiguous", "Several people have this address."
    FORMAT = "format", "People are not found by this format."
    NO_USER = "no_user", "It names no user."
    CRITICAL = "critical", "It has a critical member that is not understood."
    MEMBER = "member", "What it is about is narrowed in a way that is not understood, so nothing was done."
    AGENT = "agent", "It names an agent that is not here."
    OTHER_ISSUER = "other_issuer", "It names what is another issuer's."
    OTHER_TENANT = "other_tenant", "It names another tenant."
    TWO_PEOPLE = "two_people", "Its identifiers name two people."
    TWO_AGENTS = "two_agents", "Its identifiers name two agents."
    TWO_SESSIONS = "two_sessions", "Its identifiers name two sessions."

    @property
    def is_confusion(self) -> bool:
        """Whether the source speaks of what is not its own, or contradicts itself."""
        return self in {Why.OTHER_ISSUER, Why.OTHER_TENANT, Why.TWO_PEOPLE, Why.TWO_AGENTS, Why.TWO_SESSIONS}
