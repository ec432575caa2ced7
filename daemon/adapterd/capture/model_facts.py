"""What a model was made of when it was asked, as Ollama tells it: digest, parameters and template."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapterd.errors import AdapterdError
from adapterd.serving.runtime import ServedModel

FRESH_S = 5.0
"""For so long an answer of Ollama's holds; a promotion changes it."""


@dataclass(frozen=True)
class ModelFacts:
    """The digest of a tag, its PARAMETERs, and the SHA-256 of its template; nothing where Ollama did not tell."""

    digest: str | None = None
    parameters: Mapping[str, Any] | None = None
    template_hash: str | None = None


class AskedModels:
    """Asks for each model at most once in `FRESH_S` seconds; one that Ollama does not tell of has no facts."""

    def __init__(self, show: Callable[[str], ServedModel], clock: Callable[[], float] = time.monotonic) -> None:
        self._show, self._clock = show, clock
        self._known: dict[str, tuple[float, ModelFacts]] = {}

    def __call__(self, model: str) -> ModelFacts:
        """The facts of the model with this name."""
        at, facts = self._known.get(model, (float("-inf"), ModelFacts()))
        if self._clock() - at > FRESH_S:
            facts = self._asked(model)
            self._known[model] = self._clock(), facts
        return facts

    def _asked(self, model: str) -> ModelFacts:
        try:
            shown = self._show(model)
        except AdapterdError:
            return ModelFacts()
        template = shown.template_in_use
        hashed = hashlib.sha256(template.encode()).hexdigest() if template is not None else None
        return ModelFacts(shown.digest or None, dict(shown.modelfile.parameters), hashed)
