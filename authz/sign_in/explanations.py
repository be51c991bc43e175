"""What each reason of a refused sign-in means, and what to do about it (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.protocol.explanations import Explanation, Place

EXPLANATIONS: Mapping[str, Explanation] = {
    "credentials_wrong": Explanation(
        "A wrong name or password at the sign-in page, or a wrong password at a repeated sign-in.",
        "Many from one address are an attempt to guess. Otherwise the person uses “Forgot your password?”.",
    ),
    "second_factor_wrong": Explanation(
        "A wrong code of a second factor, after the right password.",
        "Many for one person mean that the password is known to others: change it. A clock that is wrong does "
        "this, too.",
        Place.PERSON,
    ),
    "emergency_over": Explanation(
        "An emergency account’s hour is over. Its password was right.",
        "Find out who has it. Renew the account by the command emergency_account.",
        Place.PERSON,
    ),
    "emergency_without_agents": Explanation(
        (
            "A person signed in with an emergency account would have given an agent access, which would outlive the "
            "emergency."
        ),
        "Sign in as yourself for this.",
    ),
    "second_factor_demanded": Explanation(
        "The person’s role, or a rule, demands a second factor, and none was shown; or its last one was to be removed.",
        "The person sets one up, or shows it, in a browser. Before removing one, they set up another.",
        Place.PERSON,
    ),
}
