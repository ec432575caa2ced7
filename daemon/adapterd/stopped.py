"""Why Ollama ends one answer with an error while it and the model go on: asked again, the answer would be the same.

Applications get the same error there, so such an answer is a bad one, not a failure of the runtime (issue 21). What
ends with the model's process is told in other words, "an error was encountered while running the model: …".
"""

REPEAT = "repeat"
"""The same token came again and again: since 0.34 after 100 with an error (Ollama's pull requests 3080 and 18374)."""
UNPARSED = "unparsed"
"""What looks like a call of a tool is none, for the parser that the model is served with."""
_REPEATED = "token repeat limit reached"
_OF_PARSERS = (
    "failed to parse", "error parsing", "parsing tool call", "invalid character '", "unexpected end of JSON input",
    "XML syntax error",
)  # fmt: skip
_AT_AN_END = "EOF"
"""The whole of what the parsers say that read XML."""


def why_stopped(error: str, *, begun: bool = False) -> str | None:
    """REPEAT or UNPARSED for Ollama's sentence on an answer that it stopped, None for any other failure. With `begun`
    something of the answer had come, so that an EOF is no server that could not be reached."""
    if _REPEATED in error:
        return REPEAT
    return UNPARSED if error.startswith(_OF_PARSERS) or (begun and error == _AT_AN_END) else None
