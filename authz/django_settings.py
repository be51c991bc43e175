"""Settings of Django and of the libraries that do not depend on the environment. authz/settings.py takes all of
them.
"""

from pathlib import Path

# The repository, or where pip installed the packages. There the project's templates are those of the app `authz`
# (pyproject.toml), and a folder `templates` or `var` beside it is another's.
BASE_DIR = Path(__file__).resolve().parent.parent
IS_INSTALLED = (BASE_DIR / "authz" / "templates").is_dir()

# --- Django ----------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "authz",
    "cimd",
    "xaa",
    "django.contrib.admin.apps.SimpleAdminConfig",  # authz/urls.py loads the pages
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

# For pages only: authz/serving/wsgi.py serves machine endpoints without any of them.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "authz.endpoints.request_context.middleware",
    "authz.endpoints.no_store.middleware",
    "authz.endpoints.content_security_policy.middleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.common.CommonMiddleware",
    # Before the session, so that a rejected authorization request creates none.
    "authz.endpoints.authorize_precheck.middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "authz.sign_in.browser_sessions.middleware",
    "xaa.sign_in.liveness.middleware",
    "authz.sign_in.demanded_factor.middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "authz.urls"
WSGI_APPLICATION = "authz.serving.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [] if IS_INSTALLED else [BASE_DIR / "templates"],
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

# --- django-oauth-toolkit: the client registry (docs/decisions/0002-django-oauth-toolkit.md) -------------------------

OAUTH2_PROVIDER_APPLICATION_MODEL = "authz.Client"
# One migration instead of its own 22. It needs the models' names; all but the client are the toolkit's own.
MIGRATION_MODULES = {"oauth2_provider": "authz.migrations.toolkit"}
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth2_provider.AccessToken"  # noqa: S105  a model
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "oauth2_provider.IDToken"  # noqa: S105  a model
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "oauth2_provider.RefreshToken"  # noqa: S105  a model
OAUTH2_PROVIDER_GRANT_MODEL = "oauth2_provider.Grant"
OAUTH2_PROVIDER_DEVICE_GRANT_MODEL = "oauth2_provider.DeviceGrant"
TOOLKIT: dict[str, object] = {
    "PKCE_REQUIRED": True,
    # None of the toolkit's views is mounted. These keep a view strict that a project mounts.
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
    "authz.sign_in.roles.RoleBackend",  # it signs no one in: it says what a role may do in the console
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
# authz/limits/rate_limits.py counts guesses for all processes; allauth would count in each process.
_COUNTED_BY_US = (
    "login",
    "login_failed",
    "reauthenticate",
    "change_password",
    "reset_password",
    "reset_password_from_key",
)
ACCOUNT_RATE_LIMITS = dict.fromkeys(_COUNTED_BY_US, "")
MFA_ADAPTER = "authz.sign_in.second_factor_adapter.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
# authz/sign_in/passkey_forms.py compares the origin with the issuer's, which may be http on this machine.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
MFA_RATE_LIMITS = {"webauthn_login": ""}  # counted there, too
MFA_FORMS = {
    "authenticate": "authz.sign_in.second_factor_forms.AuthenticateForm",
    "reauthenticate": "authz.sign_in.second_factor_forms.ReauthenticateForm",
    "add_webauthn": "authz.sign_in.passkey_forms.AddForm",
    "authenticate_webauthn": "authz.sign_in.passkey_forms.AuthenticateForm",
    "reauthenticate_webauthn": "authz.sign_in.passkey_forms.ReauthenticateForm",
    "login_webauthn": "authz.sign_in.passkey_forms.LoginForm",
}
SOCIALACCOUNT_ADAPTER = "xaa.sign_in.adapter.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"provider_class": "xaa.sign_in.provider.Provider"}}
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_AUTO_SIGNUP = False

SESSION_ENGINE = "authz.sign_in.browser_sessions"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # Strict would lose the session on the way back to /authorize.
# Of a session that no person is signed in with; authz/sign_in/session_limits.py has the others.
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
# Under no-referrer browsers send `Origin: null` with a form, and the CSRF check would refuse every sign-in.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"

# --- The management API (authz/api) ----------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # A view that names no permission refuses everyone.
    "DEFAULT_AUTHENTICATION_CLASSES": (),
    "DEFAULT_PERMISSION_CLASSES": ("rest_framework.permissions.IsAdminUser",),
    "DEFAULT_RENDERER_CLASSES": ("rest_framework.renderers.JSONRenderer",),
    # The Accept header alone says in which format to answer.
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_PARSER_CLASSES": ("rest_framework.parsers.JSONParser",),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gatehouse management API",
    "DESCRIPTION": "Most of what the console and `manage.py apply` do, for programs (docs/api.md).",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"SigningAlgEnum": "authz.keys.ALGORITHMS"},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # tests/api/test_schema.py checks the same, so operators do not have to wait for it.
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

# --- The rest ---------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "authz.console.formats"
STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
