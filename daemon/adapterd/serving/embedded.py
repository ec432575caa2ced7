"""A runtime in this very process: llama.cpp through llama-cpp-python, tags kept in a folder.

For trying and testing the product where Ollama cannot be had. Prompts are rendered by the chat template inside the
GGUF (or the one registered with the tag), and sampled by the same options that are sent to Ollama.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from adapterd.base.modelfile import Modelfile
from adapterd.chat import Answer, ChatOptions, Message, Role, after_opened_thought, from_dicts
from adapterd.errors import NotFoundError, RuntimeRefusedError
from adapterd.home import make_private
from adapterd.serving import blob_link, blobs
from adapterd.serving.rendering.renderer import Renderer, TemplateError
from adapterd.serving.runtime import Progress, ServedModel, StoredFile
from adapterd.serving.tags import full_name
from adapterd.system.files import write_atomic

LOAD_CONTEXT_TOKENS = 2048
CHAT_TEMPLATE = "tokenizer.chat_template"


class EmbeddedRuntime:
    """Tags in `folder`: `blobs/sha256-…` are the files, `tags/NAME/TAG.json` say what each tag is made of."""

    name = "embedded"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: tuple[Path, int, Any] | None = None
        self._renderer = Renderer()

    def version(self) -> str:
        return f"llama-cpp-python {version('llama-cpp-python')}"

    def tags(self) -> dict[str, str]:
        found = {}
        for tag in self._all_tags():
            with suppress(NotFoundError, RuntimeRefusedError):  # gone meanwhile, or damaged
                self._manifest(tag)
                found[tag] = _digest(self._tag_file(tag).read_bytes())
        return found

    def loaded(self) -> dict[str, str]:
        return {}  # it serves nobody but us

    def show(self, tag: str) -> ServedModel:
        manifest = self._manifest(tag)
        return ServedModel(
            tag=full_name(tag),
            digest=_digest(self._tag_file(tag).read_bytes()),
            gguf=self._blob(manifest["file"]),
            place=str(self._blob(manifest["file"])),
            modelfile=_modelfile(manifest),
        )

    def push_blob(self, gguf: Path, digest: str, *, may_link: bool = False, progress: Progress = lambda _: None) -> str:
        blob = self._blob(digest)
        make_private(blob.parent)
        how = "present" if blob.exists() else blob_link.link_or_copy(gguf, blob, may_link=may_link)
        if how is None:
            raise RuntimeRefusedError(f"{gguf} cannot be linked or cloned into {blob.parent}")
        progress(1.0)
        return how

    def create(
        self,
        tag: str,
        gguf: Path,
        digest: str,
        modelfile: Modelfile,
        *,
        may_link: bool = False,
        progress: Progress = lambda _: None,
    ) -> str:
        how = self.push_blob(gguf, digest, may_link=may_link, progress=progress)
        self._write(tag, {"file": digest, **modelfile.as_request()})
        return how

    def copy(self, source: str, target: str) -> None:
        self._write(target, self._manifest(source))

    def delete(self, tag: str) -> None:
        digest = self._manifest(tag)["file"]
        self._tag_file(tag).unlink()
        if not any(self._manifest(other)["file"] == digest for other in self.tags()):
            self._blob(digest).unlink(missing_ok=True)

    def files(self) -> list[StoredFile] | None:
        try:
            return blobs.stored_files(
                self.folder / "blobs", {tag: {self._manifest(tag)["file"]} for tag in self._all_tags()}
            )
        except RuntimeRefusedError:
            return None

    def context_tokens(self, tag: str) -> int | None:  # noqa: ARG002
        return None  # each request brings its own

    def load(self, tag: str) -> None:
        self._model(tag, LOAD_CONTEXT_TOKENS)

    def render(
        self, tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        served = self.show(tag).modelfile
        model = self._model(tag, num_ctx or LOAD_CONTEXT_TOKENS)
        template = served.template or model.chat_template
        if not template:
            raise RuntimeRefusedError(f"{tag} has no chat template", hint="give one with `init --template FILE`")
        if think is not None:  # the name that the templates of thinking models have for it
            template = f"{{% set enable_thinking = {str(think).lower()} %}}{template}"
        opening = served.messages  # in the order of Ollama
        if served.system and messages[0].role is not Role.SYSTEM:
            opening = (Message(Role.SYSTEM, served.system), *opening)
        special = {name: model.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "bos")}
        texts = {f"{name}_token": _token_text(model, value) for name, value in special.items()}
        try:
            text = self._renderer.render(template, (*opening, *messages), **texts)
        except TemplateError as exc:
            raise RuntimeRefusedError(
                f"the chat template of {tag} cannot be used: {exc}", hint="the embedded runtime takes Jinja templates"
            ) from exc
        return _with_one_start(model, text, texts["bos_token"])

    def chat(
        self,
        tag: str,
        messages: Sequence[Message],
        options: ChatOptions,
        *,
        logprobs: bool = False,  # noqa: ARG002
    ) -> Answer:
        started = time.monotonic()
        text = self.render(tag, messages, think=options.think, num_ctx=options.num_ctx)
        model = self._model(tag, options.num_ctx)
        ids = model.tokenize(text.encode(), add_bos=True, special=True)
        if len(ids) >= options.num_ctx:
            raise RuntimeRefusedError(f"the prompt has {len(ids)} tokens, the context of {tag} {options.num_ctx}")
        pieces, done_reason, first_token_s = self._sample(model, ids, self.show(tag).modelfile, options, started)
        answer = "".join(pieces)
        return Answer(
            text=after_opened_thought(text, answer),  # as Ollama, which delivers thoughts apart
            done_reason=done_reason,
            prompt_tokens=len(ids),
            answer_tokens=len(model.tokenize(answer.encode(), add_bos=False)) if answer else 0,
            total_s=time.monotonic() - started,
            first_token_s=first_token_s,
        )

    def embed(self, tag: str, text: str) -> list[float]:  # noqa: ARG002
        raise RuntimeRefusedError(
            f"the embedded runtime gives no embeddings, so not by {tag} either",
            hint='leave evaluation.embedding out, or serve by Ollama (runtime = "ollama")',
        )

    @staticmethod
    def _sample(
        model: Any, ids: list[int], served: Modelfile, options: ChatOptions, started: float
    ) -> tuple[list[str], str, float]:
        stop = served.parameters.get("stop", ())
        stream = model.create_completion(
            ids, stream=True, max_tokens=min(options.num_predict, options.num_ctx - len(ids)),
            temperature=options.temperature, seed=options.seed, repeat_penalty=options.repeat_penalty,
            stop=list(stop) if isinstance(stop, tuple) else [str(stop)], grammar=_grammar(options.schema),
        )  # fmt: skip
        pieces: list[str] = []
        done_reason, first_token_s = "stop", 0.0
        for part in stream:
            first_token_s = first_token_s or time.monotonic() - started
            pieces.append(part["choices"][0]["text"])
            done_reason = part["choices"][0]["finish_reason"] or done_reason
        return pieces, done_reason, first_token_s

    def _model(self, tag: str, num_ctx: int) -> Any:
        """The loaded file of the tag, with room for at least `num_ctx` tokens; one file is kept in memory."""
        blob = self._blob(self._manifest(tag)["file"])
        if self._loaded is None or self._loaded[0] != blob or self._loaded[1] < num_ctx:
            self._loaded = None
            self._loaded = (blob, num_ctx, self._open(blob, num_ctx))
        return self._loaded[2]

    def _open(self, blob: Path, num_ctx: int) -> Any:
        from adapterd.base.gguf.beside import has_more_than_language
        from adapterd.base.gguf.gguf_file import GgufFile
        from adapterd.base.gguf.served_metadata import served_metadata

        file = GgufFile.open(blob)
        if has_more_than_language(file):
            raise RuntimeRefusedError(
                f"{blob} has more than a language model in the same file (what reads images, say), which llama.cpp "
                "cannot load by itself",
                hint="serve it with Ollama, which can",
            )
        metadata = served_metadata(file)
        try:
            return self._llama(model_path=str(blob), n_ctx=num_ctx, verbose=False, kv_overrides=metadata or None)
        except ValueError as exc:
            raise RuntimeRefusedError(f"llama.cpp cannot load {blob}: {exc}") from exc

    @cached_property
    def _llama(self) -> Any:
        from llama_cpp import Llama

        from adapterd.base.gguf import llama_log

        llama_log.silence()

        class Quiet(Llama):  # type: ignore[misc]
            """It does not see the file's chat templates, which it would compile at loading, in this process."""

            @property
            def metadata(self) -> dict[str, str]:
                return self._shown

            @metadata.setter
            def metadata(self, found: dict[str, str]) -> None:
                self.chat_template = found.get(CHAT_TEMPLATE)
                self._shown = {name: value for name, value in found.items() if not name.startswith(CHAT_TEMPLATE)}

        return Quiet

    def _manifest(self, tag: str) -> dict[str, Any]:
        try:
            manifest: dict[str, Any] = json.loads(self._tag_file(tag).read_bytes())
        except FileNotFoundError as exc:
            raise NotFoundError(f"the embedded runtime has no {tag}") from exc
        except ValueError as exc:
            raise RuntimeRefusedError(f"the embedded runtime cannot read {tag}: {exc}") from exc
        return manifest

    def _write(self, tag: str, manifest: Mapping[str, Any]) -> None:
        file = self._tag_file(tag)
        make_private(file.parent)
        write_atomic(file, json.dumps(manifest, sort_keys=True))

    def _all_tags(self) -> list[str]:
        """Every tag, damaged ones included."""
        files = sorted((self.folder / "tags").glob("*/[!.]*.json"))
        return [f"{file.parent.name.replace('%', '/')}:{file.stem}" for file in files]

    def _tag_file(self, tag: str) -> Path:
        name, _, label = full_name(tag).rpartition(":")
        return self.folder / "tags" / name.replace("/", "%") / f"{label}.json"

    def _blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "-")


def _digest(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()


def _modelfile(manifest: Mapping[str, Any]) -> Modelfile:
    return Modelfile(
        template=manifest.get("template"),
        system=manifest.get("system"),
        parameters={k: tuple(v) if isinstance(v, list) else v for k, v in manifest.get("parameters", {}).items()},
        messages=from_dicts(manifest.get("messages", [])),
        renderer=manifest.get("renderer"),
        parser=manifest.get("parser"),
        licenses=tuple(manifest.get("license", ())),
    )


def _with_one_start(model: Any, text: str, start: str) -> str:
    """The prompt without the start token that its template has written, where the tokenizer adds one by itself; as
    llama.cpp's server and llama-cpp-python have it."""
    adds_one = start and text.startswith(start) and model.tokenize(b"", add_bos=True, special=True)
    return text.removeprefix(start) if adds_one else text


def _token_text(model: Any, token_id: str | None) -> str:
    return "" if token_id is None else str(model.detokenize([int(token_id)], special=True).decode())


def _grammar(schema: str | None) -> Any:
    """The grammar of the answers that a JSON Schema allows, None where there is none; raises RuntimeRefusedError."""
    if schema is None:
        return None
    from llama_cpp import LlamaGrammar

    try:
        return LlamaGrammar.from_json_schema(schema, verbose=False)
    except Exception as exc:  # whatever the converter meets in a schema that it does not know
        raise RuntimeRefusedError(
            f"llama.cpp cannot hold answers to the schema: {exc}",
            hint="simplify it, or set evaluation.structured = false",
        ) from exc
