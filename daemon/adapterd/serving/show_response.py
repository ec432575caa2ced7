"""Ollama's answer to `/api/show`, as a `ServedModel`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any

from adapterd.base.modelfile import DEFAULT_TEMPLATE, Modelfile, file_kinds, from_path, projector_paths, renderer_of
from adapterd.errors import UnsupportedModelError
from adapterd.serving import manifests
from adapterd.serving.runtime import MODEL, ServedModel, digest_of_name

_SETTINGS = frozenset(("template", "prompt", "system", "params", "messages", "license"))
"""Layers that are no files of the model, but what surrounds it; `prompt` is the old name of `template`."""
_TEMPLATES = frozenset(("template", "prompt"))
_BOS = "<bos>"
_BOS_OF_RENDERERS = {"cogito": "<｜begin▁of▁sentence｜>", "deepseek3.1": "<｜begin▁of▁sentence｜>"}
"""Renderers for architectures of ours that write a start token themselves."""
_BUILT_BY_HAND, _LLAMA_SERVER_SINCE = (0, 0), (0, 30)


def served_model(
    tag: str, digest: str, shown: Mapping[str, Any], blob: Path | None, unreadable: Path | None = None
) -> ServedModel:
    """The tag as the answer describes it; raises UnsupportedModelError if its messages cannot be handed on.

    The layers are read from the manifest where that is possible, else from the Modelfile's text.
    """
    layers = manifests.layers(blob.parent.parent, tag) if blob else None
    try:
        modelfile = replace(Modelfile.from_show(shown), projectors=_projectors(shown))
    except UnsupportedModelError as exc:
        raise UnsupportedModelError(f"{tag} cannot be a base: {exc}", hint=exc.hint) from exc
    if layers and _TEMPLATES & set(layers) and modelfile.template is None:
        modelfile = replace(modelfile, template=DEFAULT_TEMPLATE)
    kinds = tuple(kind for kind in layers if kind not in _SETTINGS) if layers else file_kinds(shown)
    return ServedModel(
        tag=tag,
        digest=digest,
        gguf=blob,
        unreadable=unreadable,
        place=from_path(shown),
        modelfile=modelfile,
        files=kinds,
        parts=manifests.files(blob.parent.parent, tag, MODEL) if blob and kinds.count(MODEL) > 1 else (),
        stored_as=(shown.get("details") or {}).get("format") or "gguf",
        remote=shown.get("remote_host") or None,
        capabilities=frozenset(shown.get("capabilities") or ()),
        template_in_use=shown.get("template") or None,
    )


def _projectors(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """The digests by which the runtime keeps the projectors, as their paths tell, on whichever machine."""
    found = (digest_of_name(PureWindowsPath(path)) for path in projector_paths(shown))
    return tuple(sorted(digest for digest in found if digest))


def start_tokens_taken_away(shown: Mapping[str, Any], version: str) -> tuple[str, ...]:
    """The start tokens that Ollama takes off the beginning of a rendered prompt, because the tokenizer adds one.

    From 0.30.0 on it does so for `<bos>`, and for what some renderers write; not for `<s>`, which is then there twice.
    """
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    old = _BUILT_BY_HAND < numbers < _LLAMA_SERVER_SINCE
    if old or not (shown.get("model_info") or {}).get("tokenizer.ggml.add_bos_token"):
        return ()
    of_renderer = _BOS_OF_RENDERERS.get(renderer_of(shown) or "")
    return (of_renderer, _BOS) if of_renderer else (_BOS,)
