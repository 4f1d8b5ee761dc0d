"""The others, each as its own documentation runs it in production: one process, access logs off."""

import json
import os
import shutil

from benchmarks import machine
from benchmarks.targets.base import CACHE, MODEL, Target

NGINX_CONF = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_max_body_size 32m; client_body_buffer_size 1m;
  keepalive_requests 100000000; keepalive_timeout 75s;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /up {{ return 204; }}
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off;
    }}
  }}
}}
"""


class Direct(Target):
    """No proxy: the load speaks to the provider itself. What the machine can do, and the floor of every latency."""

    name = "direct"
    title = "direct, no proxy"

    def start(self) -> None:
        self.port = self.provider.port

    @property
    def measured(self) -> list[int]:
        return []


class Nginx(Target):
    """A plain reverse proxy that does no work: from Debian."""

    name = "nginx"
    title = "nginx, plain reverse proxy"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("nginx") else "apt-get install nginx-light"

    def start(self) -> None:
        self.port = machine.free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        conf = self.folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(folder=self.folder, port=self.port, upstream=self.provider.port))
        self._run(["nginx", "-c", conf, "-p", self.folder], path="/up")


class Hardcap(Target):
    """PyPI `hardcap` 0.1.0: aiohttp, token budgets in Redis by Lua; uvloop, as its own `serve` installs it."""

    name = "hardcap"
    title = "hardcap 0.1.0"
    program = CACHE / "hardcap" / "bin" / "hardcap"

    @classmethod
    def missing(cls) -> str:
        return "" if cls.program.exists() else "pip install hardcap==0.1.0"

    def start(self) -> None:
        from tokonomics.console.embedded import EmbeddedValkey

        valkey = EmbeddedValkey(self.folder / "valkey", append_only=True)
        (self.folder / "valkey").mkdir(parents=True, exist_ok=True)
        self._run(valkey.command(), beside=True).until(valkey.answers)
        self.port = machine.free_port()
        config = self.folder / "hardcap.yaml"
        config.write_text(json.dumps(self._config(valkey.url)))  # JSON is YAML
        self._run([self.program, "serve", "-c", config, "--host", "127.0.0.1", "--port", self.port], path="/healthz")

    def _config(self, redis_url: str) -> dict[str, object]:
        return {
            "redis_url": redis_url,
            "upstreams": {"mock": {"kind": "openai", "base_url": self.provider.url}},
            "routes": {MODEL: {"targets": [{"upstream": "mock", "model": MODEL}]}},
            "tenants": {"bench": {"api_keys": ["sk-bench"], "budget": {"window_s": 3600, "total": 10**12}}},
        }


class Portkey(Target):
    """npm `@portkey-ai/gateway` on Node: no keys, no budgets; a proxy that knows the providers."""

    name = "portkey"
    title = "Portkey gateway"
    program = CACHE / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

    @classmethod
    def missing(cls) -> str:
        return "" if cls.program.exists() else "npm install @portkey-ai/gateway"

    def start(self) -> None:
        self.port = machine.free_port()
        self.headers |= {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{self.provider.url}/v1"}
        self._run(["node", self.program, f"--port={self.port}", "--headless"], path="/")


class LiteLLM(Target):
    """PyPI `litellm[proxy]`: one master key, no database, no budgets, one worker."""

    name = "litellm"
    title = "LiteLLM proxy"
    program = CACHE / "litellm" / "bin" / "litellm"

    @classmethod
    def missing(cls) -> str:
        return "" if cls.program.exists() else "pip install litellm[proxy]"

    def start(self) -> None:
        self.port = machine.free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "litellm.yaml"
        parameters = {"model": f"openai/{MODEL}", "api_base": f"{self.provider.url}/v1", "api_key": "sk-upstream"}
        config.write_text(
            json.dumps(
                {
                    "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
                    "general_settings": {"master_key": "sk-bench"},
                    "litellm_settings": {"telemetry": False, "drop_params": False},
                }
            )
        )
        environment = _without_proxies() | {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        command = [self.program, "--config", config, "--host", "127.0.0.1", "--port", self.port, "--num_workers", 1]
        self._run(command, path="/health/liveliness", env=environment)


def _without_proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
