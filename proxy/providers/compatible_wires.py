"""One row a provider of OpenAI's format: what its public API reference says is different.

A field is `known` here if it changes no price: sampling, reasoning, formats. All that may start a search, a second
model or another price is `never`, or simply not known, and refused by its name.
"""

from proxy.providers import compatible_usage as told
from proxy.providers.compatible import CHAT, COMPLETIONS, EMBEDDINGS, Wire

_SAMPLING = frozenset({"top_k", "min_p", "repetition_penalty"})
_OTHER_MODELS = "it may answer with another model, at another price"

WIRES = (
    # console.groq.com/docs/api-reference#chat. All its on-demand tiers cost the same; `performance` is by contract.
    Wire(
        "groq",
        limit_field="max_completion_tokens",
        known=frozenset({"reasoning_format", "include_reasoning", "disable_tool_validation"}),
        never={"compound_custom": _OTHER_MODELS, "documents": "what is added to the input is not counted here"},
        tiers=("on_demand", "flex"),
        find=told.groq_find,
    ),
    # docs.mistral.ai/api/endpoint/chat. A field that it does not know is a 422; usage comes in the last chunk, unasked.
    Wire(
        "mistral",
        serves=(CHAT, EMBEDDINGS),
        asks=False,
        known=frozenset({"random_seed", "safe_prompt", "prompt_mode"}),
        never={"document_image_limit": "pages of documents have a price of their own", "guardrails": _OTHER_MODELS},
    ),
    # api-docs.deepseek.com/api/create-chat-completion.
    Wire("deepseek", known=frozenset({"thinking"}), read=told.deepseek),
    # docs.x.ai/docs/api-reference#chat-completions. `max_completion_tokens` counts reasoning too.
    Wire("xai", limit_field="max_completion_tokens", read=told.xai),
    # docs.together.ai/reference/chat-completions-1.
    Wire(
        "together",
        serves=(CHAT, COMPLETIONS, EMBEDDINGS),
        known=_SAMPLING | {"context_length_exceeded_behavior", "chat_template_kwargs", "reasoning"},
        never={"safety_model": _OTHER_MODELS},
        read=told.together,
    ),
    # docs.fireworks.ai/api-reference/post-chatcompletions.
    Wire(
        "fireworks",
        serves=(CHAT, COMPLETIONS, EMBEDDINGS),
        known=_SAMPLING
        | {
            "typical_p", "mirostat_target", "mirostat_lr", "context_length_exceeded_behavior", "prompt_truncate_len",
            "ignore_eos", "thinking", "reasoning_history", "prompt_cache_key", "prompt_cache_isolation_key",
            "perf_metrics_in_response",
        },
    ),
    # openrouter.ai/docs/api-reference/chat-completion.
    Wire(
        "openrouter",
        serves=(CHAT, EMBEDDINGS),
        known=_SAMPLING
        | {
            "top_a", "reasoning", "include_reasoning", "provider", "usage", "transforms", "structured_outputs",
            "session_id",
        },
        never={"models": _OTHER_MODELS, "route": _OTHER_MODELS, "preset": "what it holds is not in the request"},
        headers=("http-referer", "x-title", "x-openrouter-title"),
        read=told.openrouter,
        loads=told.exact,
        binds=told.not_dearer,
    ),
    # inference-docs.cerebras.ai/api-reference/chat-completions.
    Wire(
        "cerebras",
        limit_field="max_completion_tokens",
        known=frozenset({"disable_reasoning", "clear_thinking", "reasoning_format"}),
    ),
    # docs.perplexity.ai/docs/embeddings. Its chat completions ended on 27 September 2026; what came in their place
    # searches by itself.
    Wire("perplexity", serves=(EMBEDDINGS,)),
)  # fmt: skip

WHY_NOT = {
    ("perplexity", CHAT): "Perplexity ended its chat completions on 27 September 2026. What it offers in their place "
    "searches the web as often as it likes, so it has no upper price.",
}
"""Why an endpoint that people will try is not there."""
