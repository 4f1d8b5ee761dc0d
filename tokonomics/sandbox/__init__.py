"""The sandbox provider: a small provider of our own that speaks each dialect over real HTTP.

Test keys (`tk_test_...`) go to it, so that a newcomer sees a cap stop a request without a provider account. It is
deterministic (same request, same reply) and takes instructions for length, delay and faults from the header
`X-Tokonomics-Sandbox`. It stands alone, without Django: `uvicorn tokonomics.sandbox.asgi:app`.

    instructions.py   the header, parsed
    tokens.py         what a request is billed for
    generation.py     what is said: words, lengths, ids, all derived from a hash of the request's body
    toolcall.py       which tool is called, and with what
    reply.py          a reply as chunks, a pace and an ending
    faults.py         a reply, broken on purpose
    dialect.py        what a wire format has to provide
    openai.py         one provider's routes: chat (openai_chat.py: one completion), and those of openai_embeddings.py,
                      openai_completions.py and openai_moderations.py; openai_replies.py has their headers and errors
    compatible.py    providers of OpenAI's chat format, each below a path of its own
    openai_responses.py  its newer wire format (openai_response.py: one response)
    anthropic.py      another (anthropic_messages.py: one message)
    router.py         from a request to its reply; the end of the pure part
    asgi.py           the only I/O
"""
