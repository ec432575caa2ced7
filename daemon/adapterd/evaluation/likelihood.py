"""How likely the answers that people wrote are to a served file: teacher-forced, by llama.cpp.

The file reads a prompt as the runtime renders it, then the answer, and says at each token of the answer, and at the end
of the turn, how likely that token was. This needs no answer of the model, and says more of a case than whether its one
answer was right.
"""

from collections.abc import Sequence
from pathlib import Path

from adapterd.base.gguf.beside import has_more_than_language
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.language_part import is_served_otherwise
from adapterd.base.gguf.llama_model import LlamaModel
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.hyperparameters import has_two_factors, original_context
from adapterd.errors import UnsupportedModelError
from adapterd.formats.encoded import EncodedExample


def completion_nats(path: Path, examples: Sequence[EncodedExample], served_context: int) -> list[float]:
    """The negative log-likelihood of each completion, in nats, to the file at `path`, served in a context of so many
    tokens, which none of the examples exceeds.

    Loads the whole file: call it in a process of its own (system/child/call.py). Raises InputError if llama.cpp cannot
    read the file, UnsupportedModelError if by itself it would read it otherwise than the runtime does.
    """
    file = GgufFile.open(path)
    if has_more_than_language(file) or is_served_otherwise(file):
        raise UnsupportedModelError(f"{path} has more than a language model, or another form than llama.cpp reads")
    tokens = max(len(example.ids) for example in examples)
    if has_two_factors(file) and served_context > original_context(file):
        tokens = max(tokens, original_context(file) + 1)
    with LlamaModel.open(path, context_tokens=tokens, metadata=served_metadata(file)) as model:
        return [-float(model.log_likelihoods(each.ids, each.prompt_tokens).sum()) for each in examples]
