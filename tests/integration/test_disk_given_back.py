"""What a runtime's store holds, and what collecting gives back of it: on disk, with real runtimes."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.config import OllamaSettings, RuntimeKind, Settings, VersionsSettings
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.errors import NoSpaceError
from adapterd.home import Home
from adapterd.housekeeping.collect import plan_collection, run_collection
from adapterd.serving import blob_link
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtime import Runtime, StoredFile
from adapterd.serving.runtimes import file_digest, runtime_for
from adapterd.serving.server import PrivateOllama
from adapterd.store import Store
from adapterd.store.runs import RunState
from tests.support.fakes import FakeRuntime
from tests.support.kept_model import add_version
from tests.support.real_ollama import OLLAMA
from tests.support.tiny_gguf import write_tiny_gguf

numbers = itertools.count(1)
MODEL = "frugal"
TEMPLATES = {
    "embedded": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ",
    "ollama": "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: ",
}


@pytest.fixture
def own_ollama(ollama_binary: Path, tmp_path: Path) -> Iterator[PrivateOllama]:
    """A server that only this test has, with an empty store."""
    with PrivateOllama(ollama_binary, tmp_path / "ollama") as server:
        yield server


@pytest.fixture(params=["embedded", OLLAMA])
def general(request: pytest.FixtureRequest) -> Settings:
    if request.param == "embedded":
        return Settings(runtime=RuntimeKind.EMBEDDED)
    return Settings(ollama=OllamaSettings(host=request.getfixturevalue("own_ollama").host))


@pytest.fixture
def runtime(general: Settings, home: Home) -> Runtime:
    return runtime_for(general, home)


@pytest.fixture
def new_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes model files that nobody has seen before."""

    def make() -> Path:
        number = next(numbers)
        return write_tiny_gguf(tmp_path / f"{number}.gguf", layers=1, metadata={"general.name": f"tiny {number}"})

    return make


def create(runtime: Runtime, tag: str, file: Path) -> str:
    """A tag with a template of its own; returns the file's digest."""
    runtime.create(tag, file, file_digest(file), Modelfile(template=TEMPLATES.get(runtime.name)))
    return file_digest(file)


def files(runtime: Runtime) -> dict[str, StoredFile]:
    found = runtime.files()
    assert found is not None
    return {file.digest: file for file in found}


def blobs(runtime: Runtime, tag: str) -> Path:
    gguf = runtime.show(tag).gguf
    assert gguf is not None
    return gguf.parent


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


# What the store holds.


@pytest.fixture(params=["fake", "embedded", OLLAMA])
def either(request: pytest.FixtureRequest, home: Home) -> Runtime:
    """The fake, too, is asked the same."""
    if request.param == "ollama":
        return OllamaRuntime(request.getfixturevalue("own_ollama").host)
    return FakeRuntime() if request.param == "fake" else EmbeddedRuntime(home.embedded_store)


def test_every_file_is_listed_with_the_tags_that_need_it(either: Runtime, new_file: Callable[..., Path]) -> None:
    first, second = new_file(), new_file()
    digests = [create(either, "m:1", first), create(either, "someone/m:2", second)]
    either.copy("m:1", "m:latest")
    found = files(either)
    assert found[digests[0]].tags == {"m:1", "m:latest"}
    assert found[digests[1]].tags == {"someone/m:2"}
    assert found[digests[0]].size_bytes == first.stat().st_size
    assert set().union(*(file.tags for file in found.values())) == either.tags().keys()


def test_a_deleted_tag_needs_nothing(either: Runtime, new_file: Callable[..., Path]) -> None:
    digest = create(either, "m:1", new_file())
    create(either, "m:2", new_file())
    either.delete("m:1")
    assert digest not in files(either)


def test_a_file_that_no_tag_names_is_listed_without_any(runtime: Runtime, new_file: Callable[..., Path]) -> None:
    create(runtime, "m:1", new_file())
    lost = blobs(runtime, "m:1") / f"sha256-{'0' * 64}"
    lost.write_bytes(b"weights")
    (lost.parent / f"sha256-{'1' * 64}-partial").write_bytes(b"being pulled")
    assert files(runtime)[f"sha256:{'0' * 64}"] == StoredFile(lost, f"sha256:{'0' * 64}", 7, frozenset())
    assert f"sha256:{'1' * 64}" not in files(runtime)


def test_a_file_with_another_name_elsewhere_gives_nothing_back(runtime: Runtime, new_file: Callable[..., Path]) -> None:
    file = new_file()
    create(runtime, "m:1", new_file())
    runtime.create("m:2", file, file_digest(file), Modelfile(), may_link=True)
    digest = f"sha256:{next(f.digest for f in files(runtime).values() if 'm:2' in f.tags and f.size_bytes == 0)[7:]}"
    file.unlink()
    assert files(runtime)[digest].size_bytes > 0


def test_while_a_tag_is_damaged_it_is_not_known_what_it_needs(
    runtime: Runtime, new_file: Callable[..., Path], tmp_path: Path
) -> None:
    create(runtime, "m:1", new_file())
    create(runtime, "other:1", new_file())
    (manifest,) = (path for path in tmp_path.rglob("other/1*") if path.is_file())
    content = manifest.read_bytes()
    for left in (0, len(content) // 2):
        manifest.write_bytes(content[:left])
        assert runtime.files() is None
    manifest.write_bytes(content)
    assert runtime.files() is not None


@pytest.mark.ollama
def test_of_a_store_elsewhere_nothing_is_known(own_ollama: PrivateOllama, new_file: Callable[..., Path]) -> None:
    runtime = OllamaRuntime(own_ollama.host)
    assert runtime.files() is None, "a store without models cannot be found"
    create(runtime, "m:1", new_file())
    assert runtime.files() is not None
    vars(runtime)["_is_local"] = False
    assert runtime.files() is None


@pytest.mark.ollama
def test_a_store_laid_out_in_another_way_is_not_believed(
    own_ollama: PrivateOllama, new_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = OllamaRuntime(own_ollama.host)
    create(runtime, "m:1", new_file())
    monkeypatch.setattr(runtime, "tags", lambda: {"m:1": "d", "m:2": "d"})
    assert runtime.files() is None


# What collecting gives back.


def test_collecting_gives_back_what_it_promised_and_touches_nothing_of_the_user(
    general: Settings, home: Home, runtime: Runtime, new_file: Callable[..., Path]
) -> None:
    create(runtime, "mine:1", new_file())
    create_model(home, general, NewModel(MODEL, "mine:1"))
    with Store(home.database) as store:
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            add_version(store, home, runtime, MODEL, version, new_file())
        runtime.copy(f"{MODEL}:1.0.0", "mine:2")
        store.runs.start("over", MODEL, reason="", fingerprint="", last_feedback_id=0)
        store.runs.start_stage("over", "merging", "key")
        lost, users = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"
        store.runs.finish_stage("over", "merging", result={"digest": lost, "size_bytes": 1})
        store.runs.set_state("over", RunState.ABANDONED)
        home.run("over").mkdir()
        folder = blobs(runtime, "mine:1")
        for digest in (lost, users):
            (folder / digest.replace(":", "-")).write_bytes(b"weights")
        settings = config.load(home)
        model = replace(settings.models[MODEL], versions=VersionsSettings(keep=1))
        settings = replace(settings, models={MODEL: model})

        before, planned = size_of(folder), plan_collection(store, home, settings, runtime)
        assert [item.what for item in planned.items] == [f"{MODEL}:1.1.0", f"{MODEL}:1.0.0", lost.replace(":", "-")]
        assert run_collection(store, home, settings, runtime) == planned
        assert before - size_of(folder) == planned.size_bytes > 0
        assert run_collection(store, home, settings, runtime).items == ()
    assert runtime.tags().keys() == {f"{MODEL}:{tag}" for tag in ("base", "latest", "1.2.0")} | {"mine:1", "mine:2"}
    assert (folder / users.replace(":", "-")).is_file()
    assert runtime.show("mine:2").gguf is not None


# Room for what is handed over.


@pytest.mark.ollama
@pytest.mark.parametrize("by", ["copy", "upload", "upload to a store not seen yet"])
def test_a_file_that_does_not_fit_is_refused_before_a_byte_is_written(
    own_ollama: PrivateOllama, new_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    runtime, file = OllamaRuntime(own_ollama.host), new_file()
    store = own_ollama.folder / "models"
    if by == "upload to a store not seen yet":
        monkeypatch.setenv("OLLAMA_MODELS", str(store))
    else:
        create(runtime, "m:1", new_file())
    if by == "upload":
        monkeypatch.setattr(blob_link, "is_own_folder", lambda _: False)
    before = sorted(store.glob("[bm][la]*/**/*"))
    monkeypatch.setattr(blob_link, "SPARE_BYTES", 1 << 60)
    with pytest.raises(NoSpaceError, match=r"has \d+\.\d\d GB free, and \d+\.\d\d GB are needed") as caught:
        create(runtime, "m:2", file)
    assert str(store) in str(caught.value)
    assert sorted(store.glob("[bm][la]*/**/*")) == before, "manifests and blobs"
    monkeypatch.undo()
    create(runtime, "m:2", file)
