"""The proof that a base can be used: a no-op version of it is served and compared with the base, before any training.

What the runtime would refuse, lose or change after a night's training shows here in seconds. It is done at `init`, and
again before a run if the runtime or the base has changed since.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from adapterd.base.model import BaseModel
from adapterd.base_proof.noop_version import NoOpVersion
from adapterd.base_proof.served_behaviour import undated
from adapterd.config import Settings
from adapterd.home import Home, make_private
from adapterd.serialization import dumps, from_plain
from adapterd.serving.runtime import Runtime, ServedModel
from adapterd.serving.runtimes import fingerprint, pinned_base, runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.system.child import call as child
from adapterd.system.files import write_atomic


@dataclass(frozen=True)
class Proof:
    """What a base was proven with: the runtime's release, the digest of the base's tag, the template in use there.

    `left_out` are parameters of the base that the runtime takes no more; `prompting` is the identity of how it prompts
    the base, whatever the day.
    """

    runtime: str
    digest: str
    template: str
    left_out: tuple[str, ...]
    prompting: str

    def is_of(self, runtime: Runtime, served: ServedModel) -> bool:
        """Whether the proof still holds: runtime, base and template are the same."""
        return (self.runtime, self.digest, self.template) == _identity(runtime, served)

    def completed(self, base: BaseModel) -> BaseModel:
        """The base with what its versions inherit."""
        modelfile = base.modelfile
        for name in self.left_out:
            modelfile = modelfile.without_parameter(name)
        return replace(base, modelfile=modelfile, prompting=self.prompting)

    def notes(self, base: BaseModel) -> Iterator[str]:
        """Sentences about the proof that a person should read."""
        for name in self.left_out:
            value = base.modelfile.parameters.get(name)
            yield (
                f"versions do without the base's parameter {name} = {value}, which {self.runtime} takes from older "
                "tags only; it matters only to applications that ask with a temperature above 0"
            )


def proven_base(
    home: Home,
    settings: Settings,
    runtime: Runtime,
    model: str,
    base: BaseModel,
    notify: Callable[[str], object] = lambda _sentence: None,
) -> BaseModel:
    """The pinned base with what its versions inherit, proven anew if the runtime or the base is another than before.

    Raises UnsupportedModelError or RuntimeRefusedError if a version of it could not be served as it is.
    """
    served = runtime.show(base.tag)
    proof = _saved_proof(home, model)
    if proof is None or not proof.is_of(runtime, served):
        proof = child.call(_prove_pinned, home, settings, model)
        save_proof(home, model, proof)
        for sentence in proof.notes(base):
            notify(sentence)
    return proof.completed(base)


def _prove_pinned(home: Home, settings: Settings, model: str) -> Proof:
    runtime = runtime_for(settings, home)
    return prove(home, runtime, model, pinned_base(runtime, model, settings.models[model]))


def prove(home: Home, runtime: Runtime, model: str, base: BaseModel, name: str = "") -> Proof:
    """Make `NAME:candidate` as a version would be made, but of the base's own file, and compare it with the base's tag.

    The candidate is gone afterwards, whatever comes. `name` is what a person calls the base. Raises
    UnsupportedModelError or RuntimeRefusedError with what would be lost or changed.
    """
    version = NoOpVersion(home, runtime, base, name or base.tag, ModelTags(model).candidate)
    with version.registered() as left_out:
        behaviour = version.compare(left_out)
    prompting = fingerprint(dumps({title: undated(prompt) for title, prompt in behaviour.prompts.items()}))
    return Proof(*_identity(runtime, behaviour.served), left_out, prompting)


def save_proof(home: Home, model: str, proof: Proof) -> None:
    """Save the proof of a model's base."""
    file = home.base_proof(model)
    make_private(file.parent)
    write_atomic(file, dumps(proof))


def _saved_proof(home: Home, model: str) -> Proof | None:
    try:
        return from_plain(json.loads(home.base_proof(model).read_bytes()), Proof)
    except Exception:  # missing, damaged or of another release: it is proven anew
        return None


def _identity(runtime: Runtime, served: ServedModel) -> tuple[str, str, str]:
    return f"{runtime.name} {runtime.version()}", served.digest, fingerprint(served.template_in_use or "")
