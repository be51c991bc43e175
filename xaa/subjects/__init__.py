"""The person that an assertion speaks of: read from its claims, found or created here, and put into groups."""
