"""An application of one view: a budget check in Redis, httpx to the provider, the reply back. Nobody's best effort, and
what a first version looks like: Django's default middleware, one AsyncClient, one redis-py client, two scripts.
"""

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import django
import httpx
import redis.asyncio
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

if not settings.configured:
    settings.configure(
        SECRET_KEY="the benchmark's own",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    )
    django.setup()

RESERVE = """
local spent = tonumber(redis.call('HGET', KEYS[1], 'spent') or '0')
local held = tonumber(redis.call('HGET', KEYS[1], 'held') or '0')
if spent + held + tonumber(ARGV[1]) > 1e15 then return 0 end
redis.call('HINCRBY', KEYS[1], 'held', ARGV[1])
return 1
"""
SETTLE = """
redis.call('HINCRBY', KEYS[1], 'held', -tonumber(ARGV[1]))
redis.call('HINCRBY', KEYS[1], 'spent', ARGV[2])
return 1
"""
HOLD = 1_000_000

store = redis.asyncio.Redis.from_url(os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1"))
reserve, settle = store.register_script(RESERVE), store.register_script(SETTLE)
client = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=2000, max_keepalive_connections=200))


@csrf_exempt
async def chat(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    body = json.loads(request.body)
    if not await reserve(keys=["budget:bench"], args=[HOLD]):
        return JsonResponse({"error": {"code": "budget_cap_exceeded"}}, status=429)
    url = os.environ["BENCH_PROVIDER_URL"] + "/v1/chat/completions"
    sent = client.build_request("POST", url, json=body, headers={"authorization": "Bearer sk-upstream"})
    reply = await client.send(sent, stream=True)
    if body.get("stream"):
        return StreamingHttpResponse(_passed(reply), content_type=reply.headers["content-type"])
    content = await reply.aread()
    await settle(keys=["budget:bench"], args=[HOLD, json.loads(content)["usage"]["total_tokens"]])
    return HttpResponse(content, content_type=reply.headers["content-type"])


async def _passed(reply: httpx.Response) -> AsyncIterator[bytes]:
    tokens = 0
    try:
        async for line in reply.aiter_lines():
            if line.startswith("data: {"):
                tokens += len(json.loads(line[6:])["choices"])
            yield line.encode() + b"\n"
    finally:
        await reply.aclose()
        await settle(keys=["budget:bench"], args=[HOLD, tokens])


def up(request: HttpRequest) -> HttpResponse:
    return HttpResponse("up")


urlpatterns: list[Any] = [path("v1/chat/completions", chat), path("up", up)]
application = ASGIHandler()
