"""The Django project: settings, addresses, the ASGI entry, tasks, the console."""

__version__ = "0.1.0"
