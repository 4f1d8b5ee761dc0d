"""Every setting, read from the environment in this one file; docs/configuration.md has them all (a test compares)."""

import os
from pathlib import Path

import environ

from tokonomics.console.embedded import socket_url

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things are ------------------------------------------------------------------------------------------------
DATA_DIR = Path(env.str("TOKONOMICS_DATA_DIR", default=str(BASE_DIR / "var"))).absolute()
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="") or socket_url(DATA_DIR)
BROKER_URL = env.str("TOKONOMICS_BROKER_URL", default=REDIS_URL)
CHANNELS_URL = env.str("TOKONOMICS_CHANNELS_URL", default=REDIS_URL)
CACHE_URL = env.str("TOKONOMICS_CACHE_URL", default=CHANNELS_URL)
EMAIL_URL = env.str("EMAIL_URL", default="")


def _secret(name: str) -> str:
    """From the environment, else from the file that a first embedded start wrote (`tokonomics.console.secrets`)."""
    if value := env.str(name, default=""):
        return str(value)
    path = DATA_DIR / "secrets" / name.lower()
    return path.read_text().strip() if path.exists() else ""


# --- Secrets ---------------------------------------------------------------------------------------------------------
# Without them nothing starts, but for commands that make them: see tenants.checks.
SECRET_KEY = _secret("TOKONOMICS_SECRET_KEY") or "unset-and-refused-by-the-system-check"
SECRET_KEY_FALLBACKS = env.list("TOKONOMICS_SECRET_KEY_FALLBACKS", default=[])
ENCRYPTION_KEYS = [key for key in _secret("TOKONOMICS_ENCRYPTION_KEYS").split(",") if key]

# --- Django ----------------------------------------------------------------------------------------------------------
DEBUG = env.bool("TOKONOMICS_DEBUG", default=False)
ALLOWED_HOSTS = env.list("TOKONOMICS_ALLOWED_HOSTS", default=["*"])
CSRF_TRUSTED_ORIGINS = env.list("TOKONOMICS_CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("TOKONOMICS_PUBLIC_URL", default="")
LISTEN_URL = env.str("TOKONOMICS_LISTEN_URL", default="http://127.0.0.1:8000")
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("TOKONOMICS_BEHIND_TLS", default=False) else None
)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_PROXY_SSL_HEADER is not None
ROOT_URLCONF = "tokonomics.urls"
ASGI_APPLICATION = "tokonomics.asgi.application"
AUTH_USER_MODEL = "tenants.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ, TIME_ZONE, USE_I18N, LANGUAGE_CODE = True, "UTC", False, "en-gb"
SITE_ID = 1

INSTALLED_APPS = [
    "tokonomics.console",
    "proxy",
    "alerts",
    "budgets",
    "tenants",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "csp",
    "channels",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "django_celery_beat",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "tokonomics.console.errors.LedgerOutOfReach",
]

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
                "tokonomics.console.context.public",
            ]
        },
    }
]

# --- Database --------------------------------------------------------------------------------------------------------
if DATABASE_URL:
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "tokonomics.sqlite3")}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A writer takes its lock at the start of its transaction and waits for it, instead of failing half way through.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)

DATABASE_TIMEOUT = env.float("TOKONOMICS_DATABASE_TIMEOUT", default=15.0)  # seconds that a request waits for it

# --- Redis beside the ledger: cache, channels, tasks -----------------------------------------------------------------
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "cache",
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [CHANNELS_URL], "prefix": "live"},
    }
}
CELERY_BROKER_URL = BROKER_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "budgets.tasks.sweep", "schedule": 5.0, "options": {"expires": 5.0}},
    "alerts": {"task": "alerts.tasks.sweep", "schedule": 2.0, "options": {"expires": 2.0}},
    "alerts-look": {"task": "alerts.tasks.look", "schedule": 30.0, "options": {"expires": 30.0}},
    "sweep-all": {"task": "budgets.tasks.sweep_all", "schedule": 3600.0, "options": {"expires": 3600.0}},
}

# --- The ledger ------------------------------------------------------------------------------------------------------
LEDGER_TIMEOUT = env.float("TOKONOMICS_LEDGER_TIMEOUT", default=0.5)  # seconds, connect and read
REDIS_WAITAOF = env.str("TOKONOMICS_REDIS_WAITAOF", default="")  # where holds have to be on disk: `local,replicas`
LEDGER_LEASE_SECONDS = env.int("TOKONOMICS_LEDGER_LEASE_SECONDS", default=60)
MOST_UNDRAINED = env.int("TOKONOMICS_MOST_UNDRAINED", default=100_000)  # ends in one process's memory
LEDGER_GRACE_SECONDS = env.float("TOKONOMICS_LEDGER_GRACE_SECONDS", default=2.0)
HELD_WAIT_SECONDS = env.float("TOKONOMICS_HELD_WAIT_SECONDS", default=2.0)
HELD_WAITERS = env.int("TOKONOMICS_HELD_WAITERS", default=256)  # of one company, in one web process
PARTIAL_HOLDS = env.bool("TOKONOMICS_PARTIAL_HOLDS", default=True)

CAP_THRESHOLDS = "alerts.ladder.thresholds_of"  # which percentages of a new cap are watched; budgets imports no alerts

# --- Processes -------------------------------------------------------------------------------------------------------
SHUTDOWN_GRACE_SECONDS = env.int("TOKONOMICS_SHUTDOWN_GRACE", default=20)  # what open requests get to end
TRUSTED_PROXIES = env.str("TOKONOMICS_TRUSTED_PROXIES", default="127.0.0.1")

# --- Providers -------------------------------------------------------------------------------------------------------
PROVIDER_BASE_URLS = {
    "openai": env.str("TOKONOMICS_OPENAI_BASE_URL", default="https://api.openai.com/v1"),
    "anthropic": env.str("TOKONOMICS_ANTHROPIC_BASE_URL", default="https://api.anthropic.com"),
    "gemini": env.str("TOKONOMICS_GEMINI_BASE_URL", default="https://generativelanguage.googleapis.com"),
    "groq": env.str("TOKONOMICS_GROQ_BASE_URL", default="https://api.groq.com/openai/v1"),
    "mistral": env.str("TOKONOMICS_MISTRAL_BASE_URL", default="https://api.mistral.ai/v1"),
    "deepseek": env.str("TOKONOMICS_DEEPSEEK_BASE_URL", default="https://api.deepseek.com"),
    "xai": env.str("TOKONOMICS_XAI_BASE_URL", default="https://api.x.ai/v1"),
    "together": env.str("TOKONOMICS_TOGETHER_BASE_URL", default="https://api.together.xyz/v1"),
    "fireworks": env.str("TOKONOMICS_FIREWORKS_BASE_URL", default="https://api.fireworks.ai/inference/v1"),
    "openrouter": env.str("TOKONOMICS_OPENROUTER_BASE_URL", default="https://openrouter.ai/api/v1"),
    "cerebras": env.str("TOKONOMICS_CEREBRAS_BASE_URL", default="https://api.cerebras.ai/v1"),
    "perplexity": env.str("TOKONOMICS_PERPLEXITY_BASE_URL", default="https://api.perplexity.ai/v1"),
}
# Whether a tenant's own endpoint (Azure, vLLM, Ollama) may be at a private address.
PROVIDERS_ALLOW_PRIVATE_URLS = env.bool("TOKONOMICS_PROVIDERS_ALLOW_PRIVATE_URLS", default=False)
SANDBOX_URL = env.str("TOKONOMICS_SANDBOX_URL", default="http://127.0.0.1:8001")
UPSTREAM_TRANSPORT = env.str("TOKONOMICS_UPSTREAM_TRANSPORT", default="keepalive")  # or `httpx`
UPSTREAM_FIRST_BYTE_TIMEOUT = env.float("TOKONOMICS_UPSTREAM_FIRST_BYTE_TIMEOUT", default=600.0)
UPSTREAM_IDLE_TIMEOUT = env.float("TOKONOMICS_UPSTREAM_IDLE_TIMEOUT", default=120.0)
UPSTREAM_TOTAL_TIMEOUT = env.float("TOKONOMICS_UPSTREAM_TOTAL_TIMEOUT", default=3600.0)
MAX_BODY_BYTES = env.int("TOKONOMICS_MAX_BODY_BYTES", default=32 * 1024 * 1024)
ABANDONED_DRAIN_SECONDS = env.float("TOKONOMICS_ABANDONED_DRAIN_SECONDS", default=120.0)
ABANDONED_DRAIN_BYTES = env.int("TOKONOMICS_ABANDONED_DRAIN_BYTES", default=8 * 1024 * 1024)
ALERTS_ALLOW_PRIVATE_URLS = env.bool("TOKONOMICS_ALERTS_ALLOW_PRIVATE_URLS", default=False)

# --- Accounts --------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "tokonomics.console.passwords.LongEnough", "OPTIONS": {"min_length": 12}},
    {"NAME": "tokonomics.console.passwords.NotCommon"},
    {"NAME": "tokonomics.console.passwords.NotYourself", "OPTIONS": {"user_attributes": ("email",)}},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
CSRF_FAILURE_VIEW = "tokonomics.console.errors.csrf_refused"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if EMAIL_URL else "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_ADAPTER = "tokonomics.console.accounts.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "tokonomics.console.account_forms.LoginForm",
    "signup": "tokonomics.console.account_forms.SignupForm",
    "reset_password": "tokonomics.console.account_forms.ResetPasswordForm",
    "reset_password_from_key": "tokonomics.console.account_forms.ResetPasswordKeyForm",
    "change_password": "tokonomics.console.account_forms.ChangePasswordForm",
    "set_password": "tokonomics.console.account_forms.SetPasswordForm",
    "add_email": "tokonomics.console.account_forms.AddEmailForm",
    "reauthenticate": "tokonomics.console.account_forms.ReauthenticateForm",
}
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# Wrong passwords are counted by django-axes, for one account from one address; this is the bound of one address.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip"}
MFA_ADAPTER = "tokonomics.console.accounts.MFAAdapter"
MFA_FORMS = {
    "authenticate": "tokonomics.console.account_forms.CodeForm",
    "reauthenticate": "tokonomics.console.account_forms.CodeAgainForm",
    "activate_totp": "tokonomics.console.account_forms.ActivateAppForm",
    "add_webauthn": "tokonomics.console.account_forms.AddPasskeyForm",
    "edit_webauthn": "tokonomics.console.account_forms.EditPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["webauthn", "totp", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Tokonomics"
MFA_TOTP_TOLERANCE = 1  # a code of the half minute before still counts
MFA_ALLOW_UNVERIFIED_EMAIL = not EMAIL_URL  # without mail nobody could ever be verified
AXES_FAILURE_LIMIT = env.int("TOKONOMICS_LOGIN_FAILURES", default=10)
AXES_COOLOFF_TIME = 1  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "login"
AXES_USERNAME_CALLABLE = "tokonomics.console.accounts.login_name"
AXES_LOCKOUT_CALLABLE = "tokonomics.console.accounts.locked_out"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # so that "until 10:42" stays true
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
SIGNUP_OPEN = env.bool("TOKONOMICS_SIGNUP_OPEN", default=True)

# --- Mail ------------------------------------------------------------------------------------------------------------
if EMAIL_URL:
    globals().update(env.email_url_config(EMAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
DEFAULT_FROM_EMAIL = env.str("TOKONOMICS_FROM_EMAIL", default="Tokonomics <tokonomics@localhost>")

# --- Static files, API -----------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = None  # nothing is collected: WhiteNoise serves the files where they are
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/vendor/[a-z-]+-\d+\.\d+\.\d+/"  # the version is in the folder's name
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.authentication.ManagementTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.authentication.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "tokonomics.api.schema.StrictSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tokonomics.api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tokonomics.api.parsers.AlwaysJSON",
    "DEFAULT_PAGINATION_CLASS": "tokonomics.api.pagination.NewestFirst",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "tokonomics.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tokonomics API",
    "VERSION": "1",
    "DESCRIPTION": "Budgets, keys and usage of one company. Money is a decimal string in USD; times are UTC.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["tokonomics.api.schema.only_the_api"],
    "POSTPROCESSING_HOOKS": ["tokonomics.api.schema.strict_both_ways"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- Metrics ---------------------------------------------------------------------------------------------------------
METRICS_TOKEN = env.str("TOKONOMICS_METRICS_TOKEN", default="")

# --- Logs ------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("TOKONOMICS_LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("TOKONOMICS_LOG_FORMAT", default="auto")  # `json`, `text`
ACCESS_LOG = env.bool("TOKONOMICS_ACCESS_LOG", default=False)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "tokonomics.logs.formatter", "style": LOG_FORMAT}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Django's own handlers would write its lines a second time, in a form of their own.
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "axes": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}
os.environ.setdefault("TZ", "UTC")
