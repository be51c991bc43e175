"""Signing in by a trusted issuer (OpenID Connect Core §3.1), on django-allauth's flow."""
