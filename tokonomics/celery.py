"""The Celery application: brokers and schedules come from the settings, tasks from each app's tasks.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokonomics.settings")

app = Celery("tokonomics")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
