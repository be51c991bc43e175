"""The environment is read here and nowhere else; the server's parts are listed here (`GATEHOUSE`).

docs/settings.md describes every name for operators.
"""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from limits import parse as parse_rate

from authz.operations import key_file, logs
from authz.protocol import allowed_hosts, issuers

BASE_DIR = Path(__file__).resolve().parent.parent


def env_list(name: str) -> list[str]:
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def env_switch(name: str) -> bool:
    value = os.environ.get(name, "0")
    if value not in {"0", "1"}:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")
    return value == "1"


def env_choice(name: str, *choices: str) -> str:
    """The first is the default."""
    value = os.environ.get(name) or choices[0]
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def env_secret(name: str) -> str:
    value = os.environ.get(name, "")
    if value and len(value) < 32:
        raise ImproperlyConfigured(f"{name} needs at least 32 characters")
    return value


def env_share(name: str) -> float:
    try:
        share = float(os.environ.get(name) or 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ImproperlyConfigured(f"{name} must be a number between 0 and 1")
    return share


# What may be limited, and is by default (authz/limits/rate_limits.py).
RATE_LIMITS = {
    "refused:client": "1000/minute",
    "refused:address": "10000/minute",
    "sign_in:account": "10/5 minute",
    "sign_in:account_everywhere": "200/hour",
    "sign_in:address": "30/minute",
    "second_factor:account": "10/5 minute",
    "reset:account": "5/10 minute",
    "reset:address": "20/minute",
    "login:address": "600/minute",
} | {
    f"{endpoint}:{by}": "none"
    for endpoint in ("token", "introspect", "revoke", "authorize")
    for by in ("client", "address")
}
RATE_LIMITS |= {"register:address": "none", "manage:address": "none"}


def env_rates(name: str, defaults: dict[str, str]) -> dict[str, str]:
    """`limit=rate` pairs, a rate being such as `100/second`, `10/5 minute` or `none`."""
    changes = dict(item.partition("=")[::2] for item in env_list(name))
    for limit, rate in changes.items():
        try:
            if limit not in defaults:
                raise ValueError
            if rate != "none":
                parse_rate(rate)
        except ValueError:
            raise ImproperlyConfigured(f"{name} does not know {limit}={rate}") from None
    return defaults | changes


def env_number(name: str, default: int, unit: str = "seconds", *, least: int = 0) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of {unit}{f', {least} at least' if least else ''}, not {value!r}"
        )
    return int(value)


def allowed_host(item: str) -> allowed_hosts.Entry:
    try:
        return allowed_hosts.parse(item)
    except ValueError as error:
        raise ImproperlyConfigured(f"GATEHOUSE_OUTBOUND_ALLOWED_HOSTS {error}") from None


_PLAIN_HTTP_HOST = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?")


def plain_http_host(item: str) -> str:
    """A host, or host:port. No patterns: each one that goes without TLS is named."""
    if not _PLAIN_HTTP_HOST.fullmatch(item.lower()):
        raise ImproperlyConfigured(f"GATEHOUSE_PLAIN_HTTP_RESOURCES takes hosts and host:port pairs, not {item!r}")
    return item.lower()


def network(item: str) -> str:
    try:
        return str(ip_network(item))
    except ValueError:
        raise ImproperlyConfigured(f"GATEHOUSE_TRUSTED_PROXIES takes addresses and networks, not {item!r}") from None


def proxy_header() -> str:
    value = (os.environ.get("GATEHOUSE_PROXY_HEADER") or "x-forwarded-for").lower()
    if value not in {"x-forwarded-for", "forwarded"}:
        raise ImproperlyConfigured(f"GATEHOUSE_PROXY_HEADER is X-Forwarded-For or Forwarded, not {value!r}")
    return value


def secret_key() -> str:
    """The key from the environment; for a first try on one machine, a key file that only the owner can read."""
    if key := os.environ.get("GATEHOUSE_SECRET_KEY"):
        return key
    return key_file.read_or_make(BASE_DIR / "var" / "secret-key")


def readable(issuer: str) -> SplitResult:
    """Hosts and cookies follow its parts. What is no URL stops here with its sentence; the rest is authz.E001's."""
    try:
        return urlsplit(issuer)
    except ValueError:
        raise SystemExit(f"GATEHOUSE_ISSUER {issuers.problem(issuer)}") from None


DEBUG = env_switch("GATEHOUSE_DEBUG")
SECRET_KEY = secret_key()
# While the secret key is being changed: the one that comes, then the one that was (docs/operations.md).
SECRET_KEY_FALLBACKS = env_list("GATEHOUSE_SECRET_KEY_FALLBACKS")
ISSUER = os.environ.get("GATEHOUSE_ISSUER") or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/o"
_issuer = readable(ISSUER)
_origin = f"{_issuer.scheme}://{_issuer.netloc}"
_https = _issuer.scheme == "https"

DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'var' / 'gatehouse.sqlite3'}"
IS_SQLITE = DATABASE_URL.startswith("sqlite")
# Threads a process beside its lane: some that work for people, and some that may wait for others
# (authz/database/concurrency.py).
THREADS = env_number("THREADS", 6, "threads")

GATEHOUSE = {
    "ISSUER": ISSUER,
    "REQUIRE_RESOURCE": env_switch("GATEHOUSE_REQUIRE_RESOURCE"),
    "REFRESH_REUSE_WINDOW": env_number("GATEHOUSE_REFRESH_REUSE_WINDOW", 30),
    "PLAIN_HTTP_RESOURCES": [plain_http_host(item) for item in env_list("GATEHOUSE_PLAIN_HTTP_RESOURCES")],
    "OUTBOUND_ALLOWED_HOSTS": [allowed_host(item) for item in env_list("GATEHOUSE_OUTBOUND_ALLOWED_HOSTS")],
    "OUTBOUND_CA_BUNDLE": os.environ.get("GATEHOUSE_OUTBOUND_CA_BUNDLE") or None,
    "THREADS": THREADS,
    "DATABASE_POOL": env_number("GATEHOUSE_DATABASE_POOL", 8, "connections", least=1),
    "DATABASE_TIMEOUT": env_number("GATEHOUSE_DATABASE_TIMEOUT", 2, least=1),
    "PROXY_HEADER": proxy_header(),
    "TRUSTED_PROXIES": [network(item) for item in env_list("GATEHOUSE_TRUSTED_PROXIES")],
    "RATE_LIMITS": env_rates("GATEHOUSE_RATE_LIMITS", RATE_LIMITS),
    # OpenTelemetry's own names (OTLP exporter and SDK environment variables).
    "OTLP_ENDPOINT": os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/"),
    "OTLP_HEADERS": dict(item.partition("=")[::2] for item in env_list("OTEL_EXPORTER_OTLP_HEADERS")),
    "TRACES_SAMPLED": env_share("OTEL_TRACES_SAMPLER_ARG"),
    "METRICS_TOKEN": env_secret("GATEHOUSE_METRICS_TOKEN"),
    "RUN_DIRECTORY": os.environ.get("GATEHOUSE_RUN_DIRECTORY") or None,
    "AUDIT_DIRECTORY": Path(os.environ.get("GATEHOUSE_AUDIT_DIRECTORY") or BASE_DIR / "var" / "audit"),
    "AUDIT_RETENTION_DAYS": env_number("GATEHOUSE_AUDIT_RETENTION_DAYS", 0, "days"),
    # The parts of the server. What is not listed here does not exist, and the metadata does not claim it.
    "GRANTS": [
        "authz.grants.authorization_code",
        "authz.grants.refresh_token",
        "authz.grants.client_credentials",
        "xaa.token_exchange",
        "xaa.jwt_bearer",
    ],
    "CLIENT_AUTH_METHODS": [
        "authz.client_auth.none",
        "authz.client_auth.client_secret_basic",
        "authz.client_auth.client_secret_post",
        "authz.client_auth.private_key_jwt",
    ],
    "CLIENT_RESOLVERS": ["cimd.resolver"],
    "TOKEN_RESPONSE_EXTENSIONS": ["xaa.openid.id_token"],
    "ENDPOINTS": [
        "authz.endpoints.authorize",
        "authz.endpoints.token",
        "authz.endpoints.introspection",
        "authz.endpoints.revocation",
        "authz.endpoints.jwks",
        "authz.endpoints.status_lists",
        "cimd.logos",
        "cimd.registration.endpoint",
        "xaa.openid.userinfo",
        "xaa.openid.logout",
    ],
    "REASON_EXPLANATIONS": [
        "authz.audit.explanations",
        "authz.api.framework.explanations",
        "cimd.explanations",
        "xaa.explanations",
    ],
    "LIVENESS_CHECKS": ["xaa.liveness", "cimd.liveness"],
    "PASSWORD_CHECKS": ["xaa.local_passwords"],
    "GROUP_SOURCES": ["xaa.group_source"],
    "PUBLIC_GRANTS": ["cimd.public_grants", "xaa.public_clients"],
    "CONFIGURATION_SECTIONS": [
        "authz.configuration.users",
        "authz.configuration.clients",
        "authz.configuration.resources",
        "xaa.configuration.trusted_issuers",
        "xaa.configuration.resource_authorization_servers",
        "authz.configuration.rules",
        "authz.configuration.webhooks",
        "cimd.configuration",
        "authz.configuration.audit_destinations",
    ],
    "PERIODIC_TASKS": [
        "authz.operations.housekeeping",
        "cimd.housekeeping",
        "xaa.housekeeping",
        "authz.approvals.recertification",
        "authz.notifications.delivery",
        "authz.evidence.sealer",
        "authz.evidence.delivery",
        "authz.evidence.archiver",
        "authz.approvals.reminders",
        "authz.audit.counts",
    ],
}

# The hosts that people's pages answer to. Machine endpoints ignore the Host header altogether (law 7).
ALLOWED_HOSTS = sorted({issuers.authority_host(_issuer.hostname or "127.0.0.1"), "127.0.0.1", "localhost", "[::1]"})
CSRF_TRUSTED_ORIGINS = [_origin]
CSRF_FAILURE_VIEW = "authz.endpoints.errors.csrf_failure"

INSTALLED_APPS = [
    "authz",
    "cimd",
    "xaa",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

# These serve people's pages only; authz/serving/wsgi.py answers machine endpoints without any of them.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "authz.endpoints.request_context.middleware",
    "authz.endpoints.no_store.middleware",
    "authz.endpoints.content_security_policy.middleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.common.CommonMiddleware",
    # Whoever is stopped at the door of the authorization endpoint costs no session.
    "authz.endpoints.authorize_precheck.middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "xaa.sign_in.liveness.middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "authz.urls"
WSGI_APPLICATION = "authz.serving.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Storage -------------------------------------------------------------------------------------------------------

DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=None, conn_health_checks=True)}
if IS_SQLITE:
    DATABASES["default"]["ENGINE"] = "authz.database.sqlite3"
    DATABASES["default"]["OPTIONS"] = {
        # A write transaction takes its lock at the start: it waits for its turn instead of failing half way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # WAL with synchronous=NORMAL: a committed row survives a killed process; a power cut may take the last moments,
        # but never the database (docs/decisions/0004-durability.md). Pages of half the usual size (of a new database),
        # and none of them mapped into memory: docs/decisions/0011-event-loop-and-workers.md says how much faster that
        # is.
        "init_command": "PRAGMA page_size=2048; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        " PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-8000;",
    }
else:
    DATABASES["default"]["ENGINE"] = "authz.database.postgresql"
    # Whoever waits for a server that is gone is told so within seconds, also where nobody refuses the connection.
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5}
    )
DATABASES["default"]["ATOMIC_REQUESTS"] = False  # Law 1: a refusal keeps what it wrote.
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHE_URL = os.environ.get("CACHE_URL", "")
if CACHE_URL and not CACHE_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("CACHE_URL must be a redis://, rediss:// or unix:// URL (Redis or Valkey)")
# No request waits longer for it; then each process remembers for itself.
CACHE_SECONDS = 0.25
CACHES = {
    "default": {
        "BACKEND": "authz.limits.shared_cache.SharedCache",
        "LOCATION": CACHE_URL,
        "OPTIONS": {"socket_timeout": CACHE_SECONDS, "socket_connect_timeout": CACHE_SECONDS},
    }
    if CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "gatehouse"}
}

# --- Mail ------------------------------------------------------------------------------------------------------------


def mail_server(url: str) -> dict[str, Any]:
    """Django's names for what EMAIL_URL says. The URL may hold a password, so no message shows it."""
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps", "smtp+plain"} or not parts.hostname:
        raise ImproperlyConfigured("EMAIL_URL must be smtp://, smtps:// or smtp+plain:// with a host")
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or {"smtp": 587, "smtps": 465, "smtp+plain": 25}[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }


# Without a mail server, mails of a first try are written to the log. On a host that others use they hold what no log
# should, such as links to reset a password: there they are not written at all, and nobody is said to be told.
EMAIL_BACKEND = f"django.core.mail.backends.{'dummy' if _https else 'console'}.EmailBackend"
if _email_url := os.environ.get("EMAIL_URL", ""):
    EMAIL_BACKEND = "authz.outbound.mail_transport.EmailBackend"
    globals().update(mail_server(_email_url))
# > General-address-literal; IPv6-address-literal = "IPv6:" IPv6-addr (RFC 5321 §4.1.3)
_mail_host = f"[IPv6:{_issuer.hostname}]" if ":" in (_issuer.hostname or "") else _issuer.hostname or "localhost"
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", "") or f"Gatehouse <gatehouse@{_mail_host}>"
EMAIL_SUBJECT_PREFIX = ""

# --- django-oauth-toolkit: the client registry (docs/decisions/0002-django-oauth-toolkit.md) -------------------------

OAUTH2_PROVIDER_APPLICATION_MODEL = "authz.Client"
# One in place of its own 22, and the names that it needs: the toolkit's own, all but the client's.
MIGRATION_MODULES = {"oauth2_provider": "authz.migrations.toolkit"}
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth2_provider.AccessToken"  # noqa: S105  a model
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "oauth2_provider.IDToken"  # noqa: S105  a model
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "oauth2_provider.RefreshToken"  # noqa: S105  a model
OAUTH2_PROVIDER_GRANT_MODEL = "oauth2_provider.Grant"
OAUTH2_PROVIDER_DEVICE_GRANT_MODEL = "oauth2_provider.DeviceGrant"
OAUTH2_PROVIDER = {
    "OIDC_ISS_ENDPOINT": ISSUER,
    "PKCE_REQUIRED": True,
    # None of the toolkit's own views is mounted, so these only keep anybody who mounts one from falling below us.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
}

# --- People sign in -------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "authz.User"
AUTHENTICATION_BACKENDS = [
    "authz.sign_in.password_backend.PasswordBackend",
    "authz.sign_in.roles.RoleBackend",  # signs nobody in: it answers what a role may do in the console
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/account/"
ACCOUNT_ADAPTER = "authz.sign_in.account_adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "authz.sign_in.login_form.LoginForm",
    "reset_password": "authz.sign_in.account_forms.ResetPasswordForm",
    "reset_password_from_key": "authz.sign_in.account_forms.ResetPasswordKeyForm",
    "change_password": "authz.sign_in.login_form.ChangePasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105  a class
# Whoever guesses is counted by authz/limits/rate_limits.py, for all processes; allauth's own counts are each process's
# own.
_COUNTED_BY_US = (
    "login",
    "login_failed",
    "reauthenticate",
    "change_password",
    "reset_password",
    "reset_password_from_key",
)
ACCOUNT_RATE_LIMITS = dict.fromkeys(_COUNTED_BY_US, "")
MFA_ADAPTER = "authz.keys.second_factors.Adapter"
MFA_FORMS = {
    "authenticate": "authz.sign_in.second_factor_forms.AuthenticateForm",
    "reauthenticate": "authz.sign_in.second_factor_forms.ReauthenticateForm",
}
SOCIALACCOUNT_ADAPTER = "xaa.sign_in.adapter.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"provider_class": "xaa.sign_in.provider.Provider"}}
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_AUTO_SIGNUP = False

SESSION_ENGINE = "authz.sign_in.browser_sessions"
SESSION_COOKIE_NAME = "__Host-gatehouse-session" if _https else "gatehouse-session"
CSRF_COOKIE_NAME = "__Host-gatehouse-csrf" if _https else "gatehouse-csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # Strict would lose the session on the way back to /authorize.
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
# Under no-referrer browsers send `Origin: null` with a form, and the CSRF check would refuse every sign-in.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0

# --- The management API (authz/api/ says the rest, view by view) -----------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # What forgets to say who may is for nobody.
    "DEFAULT_AUTHENTICATION_CLASSES": (),
    "DEFAULT_PERMISSION_CLASSES": ("rest_framework.permissions.IsAdminUser",),
    "DEFAULT_RENDERER_CLASSES": ("rest_framework.renderers.JSONRenderer",),
    "DEFAULT_PARSER_CLASSES": ("rest_framework.parsers.JSONParser",),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gatehouse management API",
    "DESCRIPTION": "Everything that the console and `manage.py apply` do, for programs (docs/api.md).",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"SigningAlgEnum": "authz.keys.ALGORITHMS"},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # tests/api/test_schema.py asks the same of it, so that operators need not wait for it.
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

# --- The rest ---------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "authz.console.formats"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"  # only for a front server that wants the files collected
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # TLS may end at a proxy; authz.E002 holds the issuer to https
    "oauth2_provider.W008",  # loopback redirects are http (RFC 8252 §7.3); protocol/redirect_uris.py judges them
    # On loopback the issuer may be http; on https these settings follow it.
    *([] if _https else ["security.W004", "security.W012", "security.W016"]),
]

LOGGING = logs.configuration(env_choice("GATEHOUSE_LOG_FORMAT", "plain", "json"))
