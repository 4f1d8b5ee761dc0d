"""Where data lives: the database, and Redis beside the ledger (cache, channels, tasks)."""

from tokonomics.settings.environment import BROKER_URL, CACHE_URL, CHANNELS_URL, DATA_DIR, DATABASE_URL, env

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
