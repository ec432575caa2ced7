"""An embedding that stays in the file: the rows of a batch's ids are read from there."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from adapterd.base.gguf.gguf_file import GgufFile


class FileEmbedding(nn.Module):  # type: ignore[misc]
    """Stands in for a frozen `nn.Embedding` that is much larger than what a batch needs of it, and has no parameters.

    Gives the same values as one that has the tensor's, loaded in `dtype`. The ids must have values already: it is no
    part of a compiled function.
    """

    def __init__(self, gguf: GgufFile, tensor: str, dtype: mx.Dtype) -> None:
        super().__init__()
        self._gguf, self._tensor, self._dtype = gguf, tensor, dtype

    def __call__(self, ids: mx.array) -> mx.array:
        """Ids of any shape to their rows (…, columns)."""
        different, places = np.unique(np.array(ids), return_inverse=True)
        rows = mx.array(self._gguf.rows(self._tensor, different)).astype(self._dtype)
        found: mx.array = rows[mx.array(places.reshape(ids.shape).astype(np.uint32))]
        return found
