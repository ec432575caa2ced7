"""Who reads the exchanges of each route."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from adapterd.capture.wire import anthropic, ollama_native, openai, openai_responses
from adapterd.capture.wire.conversation import Conversation, NotRecordedError
from adapterd.capture.wire.exchange import Exchange
from adapterd.capture.wire.routes import is_recorded

READERS: Mapping[str, Callable[[Exchange], Conversation]] = {
    "/api/chat": ollama_native.read_chat,
    "/api/generate": ollama_native.read_generate,
    "/v1/chat/completions": openai.read_chat,
    "/v1/completions": openai.read_completion,
    "/v1/responses": openai_responses.read,
    "/v1/messages": anthropic.read,
}
_CLOUD = ("-cloud", ":cloud")


def is_cloud(tag: str) -> bool:
    """Whether Ollama has a model answer elsewhere, by its tag."""
    return tag.lower().endswith(_CLOUD)


def read_exchange(exchange: Exchange) -> Conversation:
    """The conversation of an exchange; raises NotRecordedError where it is none, was refused, or went to a model that
    does not run here."""
    if not is_recorded(exchange.method, exchange.route):
        raise NotRecordedError("a route that is not recorded")
    if exchange.status != 200:
        raise NotRecordedError("a request that was refused")
    if not exchange.request.whole:
        raise NotRecordedError("a request that is too long, or broke off")
    found = READERS[exchange.route](exchange)
    if not found.model:
        raise NotRecordedError("a request without a model")
    if is_cloud(found.model):
        raise NotRecordedError("a model that does not run here")
    return found if exchange.response.whole else replace(found, said=replace(found.said, complete=False))
