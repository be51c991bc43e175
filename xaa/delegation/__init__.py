"""Delegation by token exchange (RFC 8693): who was given a token of ours passes on what it is good for, and no more.

subject_tokens   the token that is exchanged: issued for this client, live, not passed on too often
actors           a workload that proves who it is by its platform's assertion
hops             the authorization that the new token stands under, below the one of the token that is exchanged
grant            the exchange for a token of another resource of ours
across           the exchange for an ID-JAG, for another domain
"""
