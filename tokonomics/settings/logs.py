"""What is told of a running product: logs and metrics."""

from tokonomics.settings.environment import env

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

METRICS_TOKEN = env.str("TOKONOMICS_METRICS_TOKEN", default="")
