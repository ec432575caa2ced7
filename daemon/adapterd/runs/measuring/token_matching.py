"""BERTScore of the answers of all tags at once, by one encoder in a process of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapterd.errors import AdapterdError, StageError
from adapterd.evaluation.bert_score import token_scores
from adapterd.evaluation.evaluate import Answers
from adapterd.evaluation.metrics.metric import Question
from adapterd.evaluation.metrics.model_figures import BERT_PRECISION, BERT_RECALL
from adapterd.serving.runtime import Runtime
from adapterd.system.child.call import call

BASE_ITSELF = "base"
LONGEST_S = 3600.0


@dataclass(frozen=True)
class TokenMatching:
    """Measures it with the `encoder` that is configured: a tag, a file, or the base, whose file is `base`."""

    runtime: Runtime
    encoder: str
    base: Path

    def added(
        self, questions: Sequence[Question], answers: Mapping[str, Answers], read: Mapping[str, Sequence[str]]
    ) -> tuple[dict[str, Answers], tuple[str, ...]]:
        """The answers with precision and recall among their figures, and a sentence where they could not be measured.

        `read` are the texts of the answers as they are scored, by role.
        """
        pairs = {name: list(zip(read[name], (each.reference for each in questions), strict=True)) for name in answers}
        distinct = list(dict.fromkeys(pair for each in pairs.values() for pair in each))
        try:
            scores = call(token_scores, self._file, distinct, timeout_s=LONGEST_S)
        except (AdapterdError, OSError, MemoryError) as exc:
            return dict(answers), (f"bert_score was not measured: {str(exc) or type(exc).__name__}",)
        found = dict(zip(distinct, scores, strict=True))
        figures = {
            name: {place: dict(zip((BERT_PRECISION, BERT_RECALL), found[pair], strict=True))
                   for place, pair in enumerate(each)}
            for name, each in pairs.items()
        }  # fmt: skip
        return {name: given.with_figures(figures[name]) for name, given in answers.items()}, ()

    @property
    def _file(self) -> Path:
        """The encoder's file; raises StageError for a tag whose file cannot be read here."""
        if self.encoder == BASE_ITSELF:
            return self.base
        if self.encoder.endswith(".gguf"):
            return Path(self.encoder).expanduser()
        if (path := self.runtime.show(self.encoder).gguf) is None:
            raise StageError(f"the file of {self.encoder} is not on this machine, or not for this user to read")
        return path
