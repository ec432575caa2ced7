"""BERTScore: how well the tokens of an answer match those of a reference in meaning (Zhang, Kishore, Wu, Weinberger and
Artzi 2020, arXiv:1904.09675).

Tokens are compared by their embeddings in context, from any GGUF that llama.cpp reads: each of one text is matched with
the one of the other that is most like it. Start and end tokens are no tokens of the text. There is neither a
weighting by idf nor a rescaling by a baseline, so figures of different encoders are not comparable.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import LlamaModel
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.gguf.tokenizer import Tokenizer

MOST_TOKENS = 512
"""Tokens of a text that are compared, the first ones, as many as BERT reads; fewer where the encoder reads fewer."""
_REMEMBERED = 64
Pairs = Sequence[tuple[str, str]]


def greedy_match(answer: FloatArray, reference: FloatArray) -> tuple[float, float]:
    """Precision and recall of token embeddings, shapes (n, width) and (m, width): the means over the tokens of answer
    and of reference of the largest cosine with a token of the other. Of texts without tokens, 1 if both are, else 0."""
    if not len(answer) or not len(reference):
        return (1.0, 1.0) if len(answer) == len(reference) else (0.0, 0.0)
    cosines = _unit(answer) @ _unit(reference).T
    return float(cosines.max(axis=1).mean()), float(cosines.max(axis=0).mean())


def _unit(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: FloatArray = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result


def token_scores(encoder: Path, pairs: Pairs) -> list[tuple[float, float]]:
    """BERTScore's precision and recall of each pair (answer, reference), with token embeddings from the file `encoder`.

    Loads the whole file: call it in a process of its own (system/child/call.py). Raises InputError if llama.cpp cannot
    read it.
    """
    tokenizer, file = Tokenizer.open(encoder), GgufFile.open(encoder)
    limit = min(MOST_TOKENS, tokenizer.context_length or MOST_TOKENS)
    texts = {text: tokenizer.encode_text(text) for pair in pairs for text in pair}
    longest = max((min(limit, len(ids)) for ids, _ in texts.values()), default=1)
    with LlamaModel.open(
        encoder, context_tokens=max(1, longest), metadata=served_metadata(file), embeds=True
    ) as model:  # fmt: skip

        @lru_cache(_REMEMBERED)
        def embedded(text: str) -> FloatArray:
            ids, own = texts[text]
            if own.start == own.stop:
                return np.zeros((0, 1), np.float32)
            return model.embeddings(ids[:limit])[own]

        return [greedy_match(embedded(answer), embedded(reference)) for answer, reference in pairs]
