"""Damaged manifests of a real runtime: found, repaired, and the model answers as before.

Ollama writes a manifest in place, so a crash leaves a part of it. Here that is done by hand, to one after the other.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.config import OllamaSettings, RuntimeKind, Settings
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.deployment.deploy import Deployer
from adapterd.errors import AdapterdError, RuntimeRefusedError
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest, pinned_base, runtime_for
from adapterd.serving.server import PrivateOllama
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from tests.support.kept_model import add_version
from tests.support.real_ollama import OLLAMA
from tests.support.tiny_gguf import write_tiny_gguf

TEMPLATES = {
    "embedded": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ",
    "ollama": "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: ",
}
ASKED = (Message(Role.USER, "hello"),)
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
numbers = itertools.count(1)


@dataclass
class Served:
    """A model in a runtime: 1.1.0 is live, 1.0.0 was before, 1.2.0 was held. `own` is the base's own tag."""

    name: str
    own: str
    home: Home
    store: Store
    settings: Settings
    runtime: Runtime
    manifests: Path

    @property
    def tags(self) -> ModelTags:
        return ModelTags(self.name)

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, self.runtime)

    def tear(self, tag: str, left: float) -> None:
        """Leave only this share of a tag's manifest."""
        name, _, label = tag.rpartition(":")
        (manifest,) = (path for path in self.manifests.rglob(f"{name}/{label}*") if path.is_file())
        content = manifest.read_bytes()
        manifest.write_bytes(content[: int(len(content) * left)])

    def reconcile(self) -> list[str]:
        return reconcile(self.store, self.home, self.settings, self.runtime)

    def digests(self) -> dict[str, str]:
        return {tag: digest for tag, digest in self.runtime.tags().items() if tag.startswith(f"{self.name}:")}

    def answers(self, tag: str = "") -> bool:
        return bool(self.runtime.chat(tag or self.name, ASKED, ChatOptions(num_ctx=256, num_predict=4)).answer_tokens)


@pytest.fixture(params=["embedded", OLLAMA])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    home, name = Home(tmp_path / "home"), f"torn-{next(numbers)}"
    general, manifests = Settings(runtime=RuntimeKind.EMBEDDED), home.embedded_store / "tags"
    if request.param == "ollama":
        server: PrivateOllama = request.getfixturevalue("ollama_server")
        general = Settings(ollama=OllamaSettings(host=server.host))
        manifests = server.folder / "models" / "manifests"
    runtime = runtime_for(general, home)
    own = f"own-{name}:1"
    base = new_file(tmp_path)
    runtime.create(own, base, file_digest(base), Modelfile(template=TEMPLATES[runtime.name]))
    create_model(home, general, NewModel(name, own))
    with Store(home.database) as store:
        made = Served(name, own, home, store, config.load(home), runtime, manifests)
        for version in VERSIONS:
            add_version(store, home, runtime, name, version, new_file(tmp_path))
        for version in VERSIONS[:2]:
            made.deployer.promote(name, version, "better")
        yield made
    for tag in [tag for tag in runtime.tags() if name in tag]:
        runtime.delete(tag)


def new_file(folder: Path) -> Path:
    """A model that nobody has seen before."""
    number = next(numbers)
    return write_tiny_gguf(folder / f"{number}.gguf", layers=1, metadata={"general.name": f"tiny {number}"})


TORN: dict[str, Callable[[Served], str]] = {
    "latest": lambda served: served.tags.live,
    "previous": lambda served: served.tags.previous,
    "live version": lambda served: served.tags.version("1.1.0"),
    "previous version": lambda served: served.tags.version("1.0.0"),
    "held version": lambda served: served.tags.version("1.2.0"),
    "base": lambda served: served.tags.base,
}
every_tag = pytest.mark.parametrize("torn", TORN.values(), ids=list(TORN))
every_share = pytest.mark.parametrize("left", [0, 0.5], ids=["empty", "half"])


@every_share
@every_tag
def test_a_damaged_manifest_is_repaired_and_the_model_answers(
    served: Served, torn: Callable[[Served], str], left: float
) -> None:
    before, tag = served.digests(), torn(served)
    served.tear(tag, left)
    assert tag not in served.digests()
    with pytest.raises(RuntimeRefusedError):
        served.runtime.show(tag)
    (said,) = served.reconcile()
    assert said.startswith(f"{tag} was damaged, and is the same as ")
    assert served.digests() == before
    assert served.answers()
    assert served.answers(tag)
    assert served.reconcile() == []


@every_share
@every_tag
def test_a_rollback_does_not_mind(served: Served, torn: Callable[[Served], str], left: float) -> None:
    served.tear(torn(served), left)
    assert served.deployer.rollback(served.name).live == "1.0.0"
    digests = served.digests()
    assert digests[served.tags.live] == digests[served.tags.version("1.0.0")]
    served.reconcile()
    assert served.deployer.rollback(served.name).live == BASE
    assert served.answers()


@every_share
@every_tag
def test_a_promotion_does_not_mind(served: Served, torn: Callable[[Served], str], left: float) -> None:
    served.tear(torn(served), left)
    assert served.deployer.promote(served.name, "1.2.0", "better").live == "1.2.0"
    digests = served.digests()
    assert digests[served.tags.live] == digests[served.tags.version("1.2.0")]
    assert digests[served.tags.previous] == digests[served.tags.version("1.1.0")]
    assert served.answers()


def test_with_everything_of_the_model_damaged_but_one_version_all_is_put_back(served: Served) -> None:
    before = served.digests()
    for tag in before:
        if tag != served.tags.version("1.0.0"):
            served.tear(tag, 0.5)
    assert len(served.reconcile()) == len(before) - 1
    assert served.digests() == before
    assert pinned_base(served.runtime, served.name, served.settings.models[served.name]).tag == served.tags.base
    assert served.answers()


@every_share
def test_a_damaged_base_is_named_and_what_is_advised_puts_it_back(served: Served, left: float) -> None:
    settings = served.settings.models[served.name]
    served.tear(served.tags.base, left)
    with pytest.raises(RuntimeRefusedError, match=f"^{served.tags.base}, the pinned base") as caught:
        pinned_base(served.runtime, served.name, settings)
    assert caught.value.hint == f"adapterctl init {served.name} --base {served.own} puts it back"
    create_model(served.home, served.settings, NewModel(served.name, served.own))
    assert pinned_base(served.runtime, served.name, settings).digest == settings.base_digest


def test_a_live_version_that_is_lost_gives_way_to_the_previous_one(served: Served) -> None:
    weights = served.runtime.show(served.tags.live).gguf
    assert weights is not None
    weights.unlink()
    for tag in (served.tags.live, served.tags.version("1.1.0")):
        served.tear(tag, 0)
    said = served.reconcile()
    assert said[-1] == f"{served.name}: 1.0.0 is live instead of 1.1.0"
    assert f"adapterctl register {served.home.version(served.name, '1.1.0')}" in said[0]
    assert served.tags.version("1.1.0") not in served.digests()
    assert served.answers()
    assert served.reconcile() == []


def test_a_damaged_candidate_is_removed(served: Served) -> None:
    served.runtime.copy(served.tags.version("1.2.0"), served.tags.candidate)
    before = served.digests()
    served.tear(served.tags.candidate, 0)
    with pytest.raises(AdapterdError):
        served.runtime.delete(served.tags.candidate)
    assert served.reconcile() == [f"removed {served.tags.candidate}: nothing is under test"]
    del before[served.tags.candidate]
    assert served.digests() == before
    assert served.answers(served.tags.version("1.2.0"))
