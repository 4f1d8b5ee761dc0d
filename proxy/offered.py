"""What `GET /v1/models` lists: what a key may use, at the providers whose keys are stored, of all that has a price."""

from collections.abc import Iterator
from datetime import date

from budgets.pricing import catalogue
from budgets.pricing.rates import Model
from proxy.key_policy import KeyPolicy
from proxy.providers.compatible import CHAT
from proxy.providers.model_list import ListedModel
from proxy.providers.registry import serves
from tenants.providers import AZURE, BY_ID

IN_THE_SANDBOX = ("openai", "anthropic", "gemini")


def offered(caller: KeyPolicy, today: date) -> list[ListedModel]:
    """In the order of the providers' names, by the name that a request has to use."""
    providers = IN_THE_SANDBOX if caller.mode == "test" else sorted(caller.ciphertexts)
    return [
        ListedModel(name, 0, provider, model.context_window, model.max_output_tokens)
        for provider in providers
        for name, model in _named(caller, provider, today)
        if not caller.allowed_models or name in caller.allowed_models
    ]


def _named(caller: KeyPolicy, provider: str, today: date) -> Iterator[tuple[str, Model]]:
    if provider == AZURE.id:
        yield from _deployed(caller, today)
        return
    if provider in BY_ID and not serves(provider, CHAT):
        return
    of = catalogue.all_models if caller.prices is None else caller.prices.all_models
    prefixed = provider not in BY_ID or BY_ID[provider].prefixed
    for model in of(provider, today):
        bare = model.id.removeprefix(f"{provider}/") if provider not in BY_ID else model.id
        yield (f"{provider}/{bare}" if prefixed else bare), model


def _deployed(caller: KeyPolicy, today: date) -> Iterator[tuple[str, Model]]:
    """Azure's are the tenant's own deployments, if what runs there has a price."""
    endpoint = caller.endpoints.get(AZURE.id)
    find = catalogue.find if caller.prices is None else caller.prices.find
    for deployment, runs in endpoint.deployments if endpoint is not None else ():
        if (model := find(AZURE.id, runs, today)) is not None:
            yield f"{AZURE.id}/{deployment}", model
