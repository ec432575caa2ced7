"""How model families write a thought in front of an answer: all that is known by family, and not said by the GGUF or
the runtime (see decision 25).

A file's own vocabulary tells which of these it knows: tags are tokens of their own there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ThoughtMarkup:
    """The two tags, what stands between them and the thought, and what stands `behind` the closing one."""

    opening: str
    before: str
    after: str
    closing: str
    behind: str


MARKUPS = (
    ThoughtMarkup("<think>", "\n", "\n", "</think>", "\n\n"),
    ThoughtMarkup("<|channel>", "thought\n", "\n", "<channel|>", ""),
    ThoughtMarkup("[THINK]", "", "", "[/THINK]", ""),
)
"""Of Qwen, DeepSeek's distillations, SmolLM3 and most others; of Gemma 4 (Ollama's renderer and parser `gemma4`); of
Magistral and Ministral (llama.cpp's `common_chat_params_init_ministral_3`, Ollama's parser `ministral`)."""
