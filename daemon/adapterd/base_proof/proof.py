"""The proof that a base can be used: a no-op version of it is served and compared with the base, before any training.

What the runtime would refuse, lose or change after a night's training shows here in seconds. It is done at `init`, and
again before a run if the runtime or the base has changed since.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from adapterd.base.model import BaseModel
from adapterd.base_proof.noop_version import NoOpVersion, may_think
from adapterd.base_proof.served_behaviour import undated
from adapterd.config import Settings, Think
from adapterd.errors import AdapterdError, InputError, UnsupportedModelError, WorkerLostError
from adapterd.home import Home, make_private
from adapterd.serialization import dumps, from_plain
from adapterd.serving.runtime import Runtime, ServedModel
from adapterd.serving.runtimes import fingerprint, pinned_base, runtime_for, served_base
from adapterd.serving.tags import ModelTags
from adapterd.system.child import call as child
from adapterd.system.files import write_atomic


@dataclass(frozen=True)
class Proof:
    """What a base was proven with: the runtime's release, the digest of the base's tag, the template in use there.

    `left_out` are parameters of the base that the runtime takes no more; `prompting` is the identity of how it prompts
    the base, whatever the day. `frozen` are the kinds of projections in its blocks that get no adapter, by their names
    and, where that is for the type of some of them, in how many blocks. `may_think`: the runtime lets it be asked to
    think; `think_switch`: it is prompted otherwise then than when it is asked not to. None where an earlier release
    proved it.
    """

    runtime: str
    digest: str
    template: str
    left_out: tuple[str, ...]
    prompting: str
    frozen: tuple[str, ...] = ()
    may_think: bool | None = None
    think_switch: bool | None = None

    def is_of(self, runtime: Runtime, served: ServedModel) -> bool:
        """Whether the proof still holds: runtime, base and template are the same."""
        return (self.runtime, self.digest, self.template) == _identity(runtime, served)

    def completed(self, base: BaseModel) -> BaseModel:
        """The base with what its versions inherit."""
        modelfile = base.modelfile
        for name in self.left_out:
            modelfile = modelfile.without_parameter(name)
        return replace(base, modelfile=modelfile, prompting=self.prompting)

    def require_thinking(self, think: Think, name: str) -> None:
        """Raise InputError where the base is to think, and cannot be asked to."""
        if think is Think.ON and self.may_think is False:
            raise InputError(
                f'{name} cannot be asked to think, as think = "on" would: neither its template nor its parser knows '
                "thoughts",
                hint='leave think at "default", or give a base that thinks',
            )

    def notes(self, base: BaseModel, think: Think = Think.DEFAULT) -> Iterator[str]:
        """Sentences about the proof that a person should read."""
        if think is not Think.DEFAULT and self.may_think and self.think_switch is False:
            yield f'think = "{think}" changes no prompt: the base\'s template is the same with and without thinking'
        for name in self.left_out:
            value = base.modelfile.parameters.get(name)
            yield (
                f"versions do without the base's parameter {name} = {value}, which {self.runtime} takes from older "
                "tags only; it matters only to applications that ask with a temperature above 0"
            )
        if self.frozen:
            yield f"of the base's projections, {', '.join(self.frozen)} get no adapter and stay as they are"


def proven_base(
    home: Home,
    settings: Settings,
    runtime: Runtime,
    model: str,
    base: BaseModel,
    notify: Callable[[str], object] = lambda _sentence: None,
) -> BaseModel:
    """The pinned base with what its versions inherit, proven anew if the runtime or the base is another than before.

    Raises UnsupportedModelError or RuntimeRefusedError if a version of it could not be served as it is, InputError if
    it is to think and cannot.
    """
    served = runtime.show(base.tag)
    proof = _saved_proof(home, model)
    if proof is None or not proof.is_of(runtime, served):
        proof = child.call(_prove_pinned, home, settings, model)
        save_proof(home, model, proof)
        for sentence in proof.notes(base, settings.models[model].think):
            notify(sentence)
    proof.require_thinking(settings.models[model].think, base.tag)
    return proof.completed(base)


def _prove_pinned(home: Home, settings: Settings, model: str) -> Proof:
    runtime = runtime_for(settings, home)
    return prove(home, runtime, model, pinned_base(runtime, model, settings.models[model], home))


def prove_registered(home: Home, settings: Settings, model: str, tag: str, file: Path, name: str) -> Proof:
    """`prove` of the base that was registered as `tag` from this file, in a process of its own: llama.cpp ends its
    process where it meets what it takes for impossible, and a file may be cut short while it is mapped.

    Raises also UnsupportedModelError where that process ends.
    """
    try:
        return child.call(_prove_registered, home, settings, model, tag, file, name)
    except WorkerLostError as exc:
        raise UnsupportedModelError(
            f"{name} cannot be loaded: the process that tried it with llama.cpp ended without a word",
            hint="the file is damaged, or of a kind that llama.cpp does not know; take it from its source again",
        ) from exc


def _prove_registered(home: Home, settings: Settings, model: str, tag: str, file: Path, name: str) -> Proof:
    runtime = runtime_for(settings, home)
    return prove(home, runtime, model, served_base(runtime, tag, str(file), home), name)


def prove(home: Home, runtime: Runtime, model: str, base: BaseModel, name: str = "") -> Proof:
    """Make `NAME:candidate` as a version would be made, but of the base's own file, and compare it with the base's tag.

    The candidate is gone afterwards, whatever comes. `name` is what a person calls the base. Raises
    UnsupportedModelError or RuntimeRefusedError with what would be lost or changed.
    """
    version = NoOpVersion(home, runtime, base, name or base.tag, ModelTags(model).candidate)
    with version.registered() as left_out:
        behaviour = version.compare(left_out)
    prompting = fingerprint(dumps({title: undated(prompt) for title, prompt in behaviour.prompts.items()}))
    return Proof(
        *_identity(runtime, behaviour.served), left_out, prompting, _frozen(base.gguf),
        may_think=may_think(behaviour.served), think_switch=behaviour.has_think_switch,
    )  # fmt: skip


def _frozen(gguf: Path) -> tuple[str, ...]:
    """By the names that their tensors have in a block of the base; what it does not have is not spoken of."""
    from adapterd.base.adaptable import frozen_by_type, in_words
    from adapterd.base.architectures import architecture_of
    from adapterd.base.gguf.gguf_file import GgufFile

    file = GgufFile.open(gguf)
    architecture = architecture_of(file)
    found = {name.split(".")[2] for name in file.tensors if name.startswith("blk.") and name.count(".") > 1}
    return (*sorted(architecture.frozen & found), *in_words(file, frozen_by_type(architecture, file)))


def save_proof(home: Home, model: str, proof: Proof) -> None:
    """Save the proof of a model's base."""
    file = home.base_proof(model)
    make_private(file.parent)
    write_atomic(file, dumps(proof))


def prompts_otherwise(home: Home, settings: Settings, runtime: Runtime, model: str, planned: BaseModel) -> str | None:
    """How the runtime prompts the base otherwise than it did when a run was planned with it; None if it does not."""
    before = _saved_proof(home, model)
    try:
        now = proven_base(home, settings, runtime, model, pinned_base(runtime, model, settings.models[model]))
        release = f"{runtime.name} {runtime.version()}"
    except (AdapterdError, OSError):  # the base is gone, the disk is full: what the run failed at is told
        return None
    if now.prompting == planned.prompting or not planned.prompting:
        return None
    if before and before.runtime != release:
        return f"{before.runtime} became {release} while the run was going on, and makes other prompts"
    return f"{release} makes other prompts than when the run began"


def _saved_proof(home: Home, model: str) -> Proof | None:
    try:
        return from_plain(json.loads(home.base_proof(model).read_bytes()), Proof)
    except Exception:  # missing, damaged or of another release: it is proven anew
        return None


def _identity(runtime: Runtime, served: ServedModel) -> tuple[str, str, str]:
    return f"{runtime.name} {runtime.version()}", served.digest, fingerprint(served.template_in_use or "")
