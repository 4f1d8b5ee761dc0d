"""The Django project: settings, addresses, the ASGI entry, tasks, the console."""
