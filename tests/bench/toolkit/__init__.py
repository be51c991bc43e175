"""The peer: django-oauth-toolkit on SQLite with a fast hasher for client secrets, as a Django project of its own."""
