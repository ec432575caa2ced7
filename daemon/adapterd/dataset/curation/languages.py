"""The languages of examples, by py3langid."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from adapterd.dataset.examples import Example

SAMPLE = 1_000
"""Examples that are looked at, spread over all of them."""
UNDETERMINED = "und"
"""The code (ISO 639-3) where no language is likely enough."""
_CHARACTERS = 2_000
_SURE = 0.5
_LETTERS = 20


def languages(examples: Sequence[Example]) -> dict[str, float]:
    """The share of the examples in each language, by its code in ISO 639-1, the most frequent first. Prompt and answer
    count together."""
    sample = examples[:: max(1, len(examples) // SAMPLE)][:SAMPLE]
    found = Counter(map(_language, map(_text, sample)))
    return {code: round(count / len(sample), 3) for code, count in found.most_common()}


def _text(example: Example) -> str:
    said: Iterable[str] = (example.messages[-1].content[-_CHARACTERS:], example.completion[:_CHARACTERS])
    return "\n".join(said)


def _language(text: str) -> str:
    if sum(map(str.isalpha, text)) < _LETTERS:
        return UNDETERMINED
    code, likelihood = _identifier().classify(text)
    return str(code) if likelihood >= _SURE and code != "zxx" else UNDETERMINED


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
