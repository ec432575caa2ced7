"""Ollama comes up with another folder of models for a while: nothing is withdrawn, and the right store goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.config import OllamaSettings, Settings
from adapterd.config.toml_edit import with_value
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.deployment.deploy import Deployer
from adapterd.deployment.live_tag import LOST
from adapterd.deployment.promote_by_hand import promote_by_hand
from adapterd.errors import InputError, NotFoundError
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.insight.doctor import run_checks
from adapterd.insight.status import status
from adapterd.removal.whole.remove_model import ModelRemover
from adapterd.removal.whole.uninstall import Uninstaller
from adapterd.runs.pipeline import Pipeline
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.versions import VersionState
from adapterd.supervisor.maintenance import repair_tags
from adapterd.supervisor.planner import Planner
from tests.support.kept_model import add_version
from tests.support.tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.ollama

MODEL, OWN = "news", "seed:1"
TAGS = ModelTags(MODEL)
TEMPLATE = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: "


@dataclass
class Disks:
    """A model whose store is on a disk that can be taken away: 1.1.0 is live, 1.0.0 was before."""

    server: PrivateOllama
    home: Home
    store: Store
    base: Path
    runtime: OllamaRuntime

    @property
    def settings(self) -> Settings:
        return config.load(self.home)

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, self.runtime)

    def plug(self, disk: str) -> None:
        """Start the server, at the same address, with another folder of models."""
        self.server.stop()
        self.server.folder = self.server.folder.parent / disk
        self.server.start()
        self.runtime = OllamaRuntime(self.server.host)

    def pull_base(self) -> None:
        self.runtime.create(OWN, self.base, file_digest(self.base), Modelfile(template=TEMPLATE))

    def reconcile(self) -> list[str]:
        return reconcile(self.store, self.home, self.settings, self.runtime)

    def states(self) -> dict[str, str]:
        return {version.version: str(version.state) for version in self.store.versions.all(MODEL)}

    def live(self) -> str:
        deployment = self.store.versions.deployment(MODEL)
        assert deployment is not None
        return deployment.live

    def remove(self, *tags: str) -> None:
        for tag in tags:
            self.runtime.delete(tag)

    def agrees(self) -> bool:
        """Whether everything is well by every view."""
        (seen,) = status(self.home, self.settings).models
        return self.reconcile() == [] and seen.served_as_recorded is True and not faults(self.home)


def faults(home: Home) -> list[str]:
    return [check.detail for check in run_checks(home) if check.level == "fault" and check.what == MODEL]


def hints(home: Home) -> str:
    return " ".join(check.hint for check in run_checks(home) if check.what == MODEL)


@pytest.fixture
def disks(ollama_binary: Path, tmp_path: Path) -> Iterator[Disks]:
    home = Home(tmp_path / "home")
    base = write_tiny_gguf(tmp_path / "base.gguf", layers=1)
    with PrivateOllama(ollama_binary, tmp_path / "external") as server:
        runtime = OllamaRuntime(server.host)
        made = Disks(server, home, None, base, runtime)  # type: ignore[arg-type]
        made.pull_base()
        create_model(home, Settings(ollama=OllamaSettings(host=server.host)), NewModel(MODEL, OWN))
        with Store(home.database) as store:
            made.store = store
            for version in ("1.0.0", "1.1.0"):
                file = write_tiny_gguf(tmp_path / f"{version}.gguf", layers=1, metadata={"general.name": version})
                add_version(store, home, runtime, MODEL, version, file)
                place = runtime.show(TAGS.version(version)).place
                store.runs.start_stage(f"run-{MODEL}-{version}", "serving", "key")
                store.runs.finish_stage(f"run-{MODEL}-{version}", "serving", result={"place": place})
                made.deployer.promote(MODEL, version, "better")
            yield made


def elsewhere(sentence: str) -> bool:
    return "news 1.1.0 is not in the store that the runtime has now" in sentence


@pytest.mark.parametrize("pulled", [False, True], ids=["empty", "with the base"])
def test_nothing_is_withdrawn_in_a_store_that_has_nothing_of_ours(disks: Disks, pulled: bool) -> None:
    before = disks.runtime.tags()
    disks.plug("default")
    if pulled:
        disks.pull_base()
    there = disks.runtime.tags()
    for _ in range(2):
        (said,) = disks.reconcile()
        assert elsewhere(said)
        assert elsewhere(repair_tags(disks.store, disks.home, disks.settings)[0])
    assert disks.runtime.tags() == there
    assert (disks.live(), disks.states()) == ("1.1.0", {"1.0.0": "promoted", "1.1.0": "promoted"})
    disks.plug("external")
    assert disks.runtime.tags() == before
    assert disks.agrees()


def test_it_is_said_everywhere_and_waited_for(disks: Disks) -> None:
    disks.plug("default")
    seen = status(disks.home, disks.settings)
    assert any(map(elsewhere, seen.faults))
    assert "OLLAMA_MODELS" in (seen.models[0].live_hint or "")
    (fault,) = faults(disks.home)
    assert elsewhere(fault)
    assert "rollback" not in hints(disks.home)
    planner = Planner(disks.store, disks.home, disks.settings)
    assert any(map(elsewhere, planner.find_blockers(MODEL, disks.store.clock())))


def test_what_a_person_asks_for_in_another_store_is_refused_with_the_reason(disks: Disks) -> None:
    disks.plug("default")
    with pytest.raises(NotFoundError, match="not in the store that the runtime has now"):
        disks.deployer.rollback(MODEL)
    with pytest.raises(NotFoundError, match="not in the store that the runtime has now"):
        disks.deployer.promote(MODEL, "1.0.0", "")
    with pytest.raises(NotFoundError, match="not in the store that the runtime has now"):
        Pipeline(disks.store, disks.home, disks.settings).run(MODEL, "asked for by hand")
    disks.plug("external")
    assert disks.agrees()


def test_a_change_that_was_interrupted_is_finished_in_the_right_store(disks: Disks) -> None:
    disks.store.versions.begin_intent(MODEL, "rollback", "1.0.0", "1.1.0")
    disks.plug("default")
    disks.reconcile()
    with pytest.raises(NotFoundError):
        disks.deployer.rollback(MODEL)
    assert len(disks.store.versions.begun_intents(MODEL)) == 1
    disks.plug("external")
    assert disks.reconcile() == [f"{MODEL}: the rollback of 1.0.0 was interrupted, and is finished"]
    assert disks.live() == "1.0.0"
    assert disks.agrees()


@pytest.mark.parametrize("has_latest", [False, True])
def test_an_old_copy_of_the_store_is_another_one_too(disks: Disks, has_latest: bool) -> None:
    """As it was on the day of init, before it was moved to the external disk."""
    disks.plug("default")
    disks.pull_base()
    disks.runtime.copy(OWN, TAGS.base)
    if has_latest:
        disks.runtime.copy(OWN, TAGS.live)
    there = disks.runtime.tags()
    (said,) = disks.reconcile()
    assert elsewhere(said)
    assert any(map(elsewhere, status(disks.home, disks.settings).faults))
    assert "rollback" not in hints(disks.home)
    assert disks.runtime.tags() == there
    assert disks.live() == "1.1.0"
    disks.plug("external")
    assert disks.agrees()


def test_who_begins_anew_there_gets_the_old_version_offered_when_its_disk_is_back(disks: Disks) -> None:
    disks.plug("default")
    disks.pull_base()
    create_model(disks.home, disks.settings, NewModel(MODEL, OWN))
    assert (disks.live(), disks.states()["1.1.0"]) == (BASE, "withdrawn")
    assert disks.agrees()
    disks.plug("external")
    (said,) = disks.reconcile()
    assert said == (
        "news:latest is 1.1.0, which was withdrawn as lost and is there again; base is recorded; "
        "`adapterctl promote 1.1.0 --model news` makes it live again"
    )
    assert "rollback" not in hints(disks.home)
    (seen,) = status(disks.home, disks.settings).models
    assert seen.live_hint == "adapterctl promote 1.1.0 --model news"
    promote_by_hand(disks.deployer, MODEL, "1.1.0", force=False)
    assert (disks.live(), disks.states()["1.1.0"]) == ("1.1.0", "promoted")
    assert disks.agrees()


def test_a_version_that_is_truly_lost_is_withdrawn_and_offered_once_it_is_back(disks: Disks, tmp_path: Path) -> None:
    disks.remove(TAGS.live, TAGS.version("1.1.0"))
    assert "news: 1.0.0 is live instead of 1.1.0" in disks.reconcile()
    version = disks.store.versions.get(MODEL, "1.1.0")
    assert version is not None
    assert (version.state, version.reason) == (VersionState.WITHDRAWN, LOST)
    assert disks.agrees()
    file = tmp_path / "1.1.0.gguf"
    disks.runtime.create(TAGS.version("1.1.0"), file, file_digest(file), Modelfile(template=TEMPLATE))
    assert disks.reconcile() == [
        "news:1.1.0, withdrawn as lost, is there again; `adapterctl promote 1.1.0 --model news` makes it live again"
    ]
    assert faults(disks.home) == []
    promote_by_hand(disks.deployer, MODEL, "1.1.0", force=False)
    assert disks.agrees()


def test_a_live_tag_that_was_removed_by_hand_is_put_back(disks: Disks) -> None:
    disks.remove(TAGS.live)
    assert disks.reconcile() == ["news:latest was gone, and is the same as news:1.1.0 again"]
    assert disks.agrees()


def test_a_live_tag_made_by_hand_is_replaced_only_on_purpose_and_kept(disks: Disks) -> None:
    file = write_tiny_gguf(disks.home.root / "hand.gguf", layers=1, metadata={"general.name": "by hand"})
    disks.runtime.create(TAGS.live, file, file_digest(file), Modelfile(template=TEMPLATE, system="You are brief."))
    by_hand = disks.runtime.tags()[TAGS.live]
    with pytest.raises(InputError, match=r"news:latest is not 1\.1\.0 as recorded, somebody changed it") as caught:
        promote_by_hand(disks.deployer, MODEL, "1.0.0", force=False)
    assert "--force" in caught.value.hint
    assert disks.runtime.tags()[TAGS.live] == by_hand
    asked: list[str] = []
    swap = promote_by_hand(disks.deployer, MODEL, "1.0.0", force=True, confirm=asked.append)
    assert "somebody changed it" in asked[0]
    assert (swap.live, swap.kept) == ("1.0.0", "news:by-hand")
    assert disks.runtime.tags()["news:by-hand"] == by_hand
    assert "tag.kept" in {event.kind for event in disks.store.events.latest(model=MODEL, limit=10)}
    assert disks.agrees()


def test_a_second_one_made_by_hand_is_kept_beside_the_first(disks: Disks) -> None:
    kept = []
    for number, version in ((1, "1.0.0"), (2, "1.1.0")):
        disks.runtime.create(
            TAGS.live, disks.base, file_digest(disks.base), Modelfile(template=TEMPLATE, system=f"Number {number}.")
        )
        kept.append(disks.deployer.promote(MODEL, version, "better").kept)
    assert kept == ["news:by-hand", "news:by-hand-2"]
    assert {"news:by-hand", "news:by-hand-2"} <= disks.runtime.tags().keys()
    going = ModelRemover(disks.store, disks.home, disks.settings, disks.runtime, MODEL).plan()
    assert not {"news:by-hand", "news:by-hand-2"} & set(going.tags)
    for tag in ("news:by-hand", "news:by-hand-2"):
        assert f"{tag} keeps what somebody had put under news:latest, so it stays; `ollama rm {tag}` removes it" in (
            going.kept
        )
    for with_tags in (False, True):
        said = Uninstaller(disks.home, None, with_tags=with_tags).plan().kept
        assert any(each.startswith("Ollama keeps news:by-hand news:by-hand-2, which somebody") for each in said)


def test_a_tag_that_nobody_knows_is_named_also_where_the_live_one_was_changed(disks: Disks) -> None:
    disks.runtime.copy(TAGS.base, TAGS.live)
    disks.runtime.copy(TAGS.base, f"{MODEL}:7.0.0")
    said = [check.detail for check in run_checks(disks.home) if check.what == MODEL]
    assert "tags that the database does not know: 7.0.0" in said
    assert any("somebody changed it" in each for each in said)


def test_a_folder_that_cannot_be_looked_at_hides_nothing_else(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = f"/{'x' * 300}"
    text = with_value(disks.home.config_file.read_text(), ("models", MODEL, "feedback", "folder"), folder)
    disks.home.config_file.write_text(text)
    monkeypatch.setenv("ADAPTERD_BLAS", "/nowhere.so")
    found = run_checks(disks.home)
    assert f"feedback folder {folder} cannot be looked at: File name too long" in faults(disks.home)
    assert "1.1.0 is live as recorded" in [check.detail for check in found]
    assert "is not a file" in next(check.detail for check in found if check.what == "matrix library")
