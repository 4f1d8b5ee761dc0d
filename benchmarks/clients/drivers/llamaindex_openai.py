"""PyPI `llama-index-llms-openai` and `llama-index-embeddings-openai`."""

from desk import serve
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses
from llamaindex_shared import plain, stream, structured, tools


def connect(base_url: str, key: str) -> OpenAI:
    return OpenAI(model="gpt-4o-mini", api_base=f"{base_url}/v1", api_key=key)


def embeddings(llm: OpenAI) -> int:
    model = OpenAIEmbedding(model="text-embedding-3-small", api_base=llm.api_base, api_key=llm.api_key)
    return len(model.get_text_embedding_batch(["One text", "and another"])[1])


def responses(llm: OpenAI) -> str:
    model = OpenAIResponses(model="gpt-4o-mini", api_base=llm.api_base, api_key=llm.api_key)
    return " ".join([plain(model), stream(model), tools(model), str(structured(model))])


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured, embeddings, responses)
