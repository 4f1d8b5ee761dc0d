"""PyPI `langchain-openai`."""

from desk import serve
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_shared import plain, stream, structured, tools


class Models:
    """The chat model, and where its siblings are."""

    def __init__(self, base_url: str, key: str) -> None:
        self.there = {"base_url": f"{base_url}/v1", "api_key": key}
        self.chat = ChatOpenAI(model="gpt-4o-mini", **self.there)

    def __getattr__(self, name: str) -> object:
        return getattr(self.chat, name)


def embeddings(models: Models) -> int:
    """It sends tokens, not texts."""
    model = OpenAIEmbeddings(model="text-embedding-3-small", **models.there)
    return len(model.embed_documents(["One text", "and another"])[1])


def responses(models: Models) -> str:
    model = ChatOpenAI(model="gpt-4o-mini", use_responses_api=True, **models.there)
    return " ".join([plain(model), stream(model), tools(model), str(structured(model))])


if __name__ == "__main__":
    serve(Models, plain, stream, tools, structured, embeddings, responses)
