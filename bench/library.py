"""How much of what people pull can be trained: `python -m bench.library` asks the product's own check.

For each of the twenty most pulled models of Ollama's library, a tiny random file is written with the keys and tensors
that its default tag has, and looked at as `init` and `bases` look at it. Those that give embeddings are rightly no
bases, and do not count.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from adapterd.deployment.checked_base import checked_base
from adapterd.errors import AdapterdError
from adapterd.serving.show_response import served_model
from bench import results, tables
from bench.library_models import BLOCKS, HIDDEN, MODELS, LibraryModel

TEMPLATE = "{{ range .Messages }}<{{ .Role }}>{{ .Content }}{{ end }}"


def library() -> dict[str, Any]:
    """The share of pulls that can be trained, of all that answer, and of those of them that are no mixtures of experts;
    how many models that are; and each model with its verdict."""
    with tempfile.TemporaryDirectory() as folder:
        rows = {model.name: _row(model, Path(folder)) for model in MODELS}
    answering = [model for model in MODELS if model.answers]
    dense = [model for model in answering if not model.experts]
    trained = {name for name, row in rows.items() if row["trainable"]}
    return {
        "models": len(answering),
        "trainable": len(trained),
        "share_of_pulls": _share(answering, trained),
        "share_of_pulls_without_experts": _share(dense, trained),
        "rows": rows,
    }


def _share(models: list[LibraryModel], trained: set[str]) -> float:
    pulls = sum(model.pulls for model in models if model.name in trained)
    return round(pulls / sum(model.pulls for model in models), 3)


def _row(model: LibraryModel, folder: Path) -> dict[str, Any]:
    why_not = why_no_base(model, folder / f"{model.name}.gguf")
    told = {"pulls_millions": model.pulls, "architecture": model.architecture, "answers": model.answers}
    return {**told, "trainable": not why_not, "why_not": why_not}


def why_no_base(model: LibraryModel, path: Path) -> str:
    """Why the product does not take such a model as a base; empty where it does."""
    from tests.support.tiny_gguf import write_tiny_gguf

    write_tiny_gguf(
        path, architecture=model.architecture, layers=BLOCKS, hidden=HIDDEN, metadata=model.metadata,
        tensors=model.tensors, more_tokens=model.more_tokens,
    )  # fmt: skip
    shown = {
        "modelfile": "\n".join([f"FROM {path}", *model.beside, f'TEMPLATE """{TEMPLATE}"""']),
        "template": TEMPLATE,
        "details": {"format": "gguf"},
        "capabilities": ["completion" if model.answers else "embedding"],
    }
    served = served_model(f"{model.name}:latest", "", shown, path)
    try:
        checked_base(served, model.name)
    except AdapterdError as exc:
        return str(exc)
    return ""


if __name__ == "__main__":
    measured = library()
    results.write({"library": measured})
    tables.main()
    print(json.dumps({key: value for key, value in measured.items() if key != "rows"}))
