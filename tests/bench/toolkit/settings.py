"""PEER_FOLDER has its database; PEER_KEY is the RSA key that its metadata need."""

import os

SECRET_KEY = "the bench's peer, on loopback"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"]
ROOT_URLCONF = "tests.bench.toolkit.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{os.environ['PEER_FOLDER']}/toolkit.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
OAUTH2_PROVIDER = {
    "SCOPES": {"mcp:read": "Read", "introspection": "Introspect"},
    "DEFAULT_SCOPES": ["mcp:read"],
    "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
    "OIDC_ENABLED": True,
    "OIDC_RSA_PRIVATE_KEY": os.environ.get("PEER_KEY", ""),
}
LOGGING = {"version": 1, "root": {"level": "ERROR"}}
USE_TZ = True
