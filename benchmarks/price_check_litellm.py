"""Runs in LiteLLM's own environment: questions as JSON on standard input, answers in the last line of output."""

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.cost_calculator import cost_per_token
from litellm.types.utils import Usage


def usage_of(asked):
    read, written = asked["cached"], asked["written_5m"] + asked["written_1h"]
    prompt = {"cached_tokens": read, "audio_tokens": asked["audio_in"], "image_tokens": asked["image_in"]}
    if written:
        split = {"ephemeral_5m_input_tokens": asked["written_5m"], "ephemeral_1h_input_tokens": asked["written_1h"]}
        prompt |= {"cache_creation_tokens": written, "cache_creation_token_details": split}
    if asked["searches"]:
        prompt["web_search_requests"] = asked["searches"]
    completion = {"reasoning_tokens": asked["reasoning"], "audio_tokens": asked["audio_out"]}
    completion["image_tokens"] = asked["image_out"]
    completion["text_tokens"] = asked["output"] - asked["audio_out"] - asked["image_out"]
    rest = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written} if written or read else {}
    return Usage(
        prompt_tokens=asked["input"],
        completion_tokens=asked["output"],
        total_tokens=asked["input"] + asked["output"],
        prompt_tokens_details={name: count for name, count in prompt.items() if count},
        completion_tokens_details={name: count for name, count in completion.items() if count},
        server_tool_use={"web_search_requests": asked["searches"]} if asked["searches"] else None,
        **rest,
    )


def answer(asked):
    model = asked["model"]
    name, provider, *_ = litellm.get_llm_provider(model=model)
    given = {"model": name, "custom_llm_provider": provider, "service_tier": asked["tier"] or None}
    if asked["characters"]:
        parts = cost_per_token(**given, prompt_characters=asked["characters"], call_type="speech")
    elif asked["milliseconds"]:
        seconds = asked["milliseconds"] / 1000
        parts = cost_per_token(**given, audio_transcription_file_duration=seconds, call_type="transcription")
    else:
        usage = usage_of(asked)
        parts = cost_per_token(**given, usage_object=usage)
    return sum(parts)


def answered(asked):
    try:
        return {"usd": answer(asked)}
    except Exception as error:  # whatever it fails by is the finding
        return {"error": f"{type(error).__name__}: {error}"}


print(json.dumps([answered(each) for each in json.load(sys.stdin)]))
