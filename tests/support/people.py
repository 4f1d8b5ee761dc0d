"""Somebody at a browser: a test client that is logged in, and a page as they read it."""

import html
import re
from typing import Any

from django.test import Client

from tenants.models import User


def at_desk(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    """What a page says, without its tags; white space is one space."""
    body = re.sub(r"<(script|style)\b.*?</\1>|<!--.*?-->", " ", answer.content.decode(), flags=re.S)
    main = body.split("<main", 1)[-1]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", "<" + main)).split())


def title(answer: Any) -> str:
    return html.unescape(re.search(r"<title>(.*?)</title>", answer.content.decode(), re.S)[1])  # type: ignore[index]


def hidden(answer: Any, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{re.escape(name)}"[^>]*\bvalue="([^"]*)"', answer.content.decode())
    assert found, f"no field {name}"
    return html.unescape(found[1])


def fields(answer: Any) -> dict[str, str]:
    """Every field of the page's last form, as a browser would send it untouched: what is typed, ticked, hidden."""
    form = answer.content.decode().rsplit("<main", 1)[-1].rsplit("<form", 1)[-1]
    sent: dict[str, str] = {}
    for attributes in re.findall(r"<input\b([^>]*)>", form):
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
        if given.get("type") in ("checkbox", "radio") and " checked" not in attributes:
            continue
        if "name" in given:
            sent[given["name"]] = html.unescape(given.get("value", "on" if given.get("type") == "checkbox" else ""))
    for name, value in re.findall(r'<textarea\b[^>]*name="([^"]+)"[^>]*>\s?(.*?)</textarea>', form, re.S):
        sent[name] = html.unescape(value)
    return sent
