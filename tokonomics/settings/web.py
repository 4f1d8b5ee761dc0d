"""What Django is made of: hosts, apps, middleware, templates, static files and what a page may load."""

from tokonomics.settings.environment import BASE_DIR, env

DEBUG = env.bool("TOKONOMICS_DEBUG", default=False)
ALLOWED_HOSTS = env.list("TOKONOMICS_ALLOWED_HOSTS", default=["*"])
CSRF_TRUSTED_ORIGINS = env.list("TOKONOMICS_CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("TOKONOMICS_PUBLIC_URL", default="")
LISTEN_URL = env.str("TOKONOMICS_LISTEN_URL", default="http://127.0.0.1:8000")
TRUSTED_PROXIES = env.str("TOKONOMICS_TRUSTED_PROXIES", default="127.0.0.1")
SHUTDOWN_GRACE_SECONDS = env.int("TOKONOMICS_SHUTDOWN_GRACE", default=20)  # what open requests get to end
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("TOKONOMICS_BEHIND_TLS", default=False) else None
)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_PROXY_SSL_HEADER is not None
ROOT_URLCONF = "tokonomics.urls"
ASGI_APPLICATION = "tokonomics.asgi.application"
AUTH_USER_MODEL = "tenants.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ, TIME_ZONE, USE_I18N, LANGUAGE_CODE = True, "UTC", False, "en-gb"

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
