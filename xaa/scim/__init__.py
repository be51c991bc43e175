"""SCIM 2.0 (RFC 7643, RFC 7644): a directory tells which people and groups there are, and who has left.

filters.py, patch.py, values.py and schemas.py are pure; people.py and groups.py write; endpoint.py is HTTP.
docs/scim.md says what of the texts there is, docs/decisions/0103-scim-by-hand.md why it is our own code.
"""
