"""Which requests are parts of conversations."""

RECORDED = frozenset(
    ("/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")
)
STATUS = "/.adapterd/capture"
"""Not a route of Ollama's: what the pass-through counted, as JSON."""


def is_recorded(method: str, route: str) -> bool:
    """Whether such a request is recorded."""
    return method == "POST" and route in RECORDED
