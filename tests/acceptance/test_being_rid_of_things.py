"""A person is rid of a model, and of adapterd: all of it goes that was ours, the rest is named."""

import json
import shutil
from pathlib import Path

import pytest

from adapterd import config
from adapterd.home import Home
from adapterd.housekeeping import leftovers
from adapterd.housekeeping.reconcile import reconcile
from adapterd.intake.http_intake import take_posted
from adapterd.removal.whole import remove_model
from adapterd.removal.whole.remove_model import ModelRemover
from adapterd.serving.ollama import OllamaRuntime
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.whole_model import rows_of
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, SMALL, Person, settings, wait_until
from tests.support.kept_model import WeightlessRuntime, add_version
from tests.support.marked_text import files_with
from tests.support.tiny_gguf import write_tiny_gguf

MARK = "Kassandra-of-the-removed-model"
OTHER = "titles"
VERSIONS = ("1.0.0", "1.1.0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> Path:
    """The home of somebody with two models, of which one has versions, feedback and something in quarantine."""
    folder = tmp_path_factory.mktemp("made")
    person = begin(Person(Home(folder / "home")), tiny_path, "--runtime", "embedded")
    said = person.run("init", OTHER, "--base", tiny_path, "--task", "json", *settings(*SMALL))
    assert said.code == 0, said
    with Store(person.home.database) as store:
        for version in VERSIONS:
            file = write_tiny_gguf(folder / version, layers=1, metadata={"general.name": version})
            add_version(store, person.home, WeightlessRuntime(person.home.embedded_store), MODEL, version, file)
    (folder / "in.jsonl").write_text(
        json.dumps({"prompt": f"Who is {MARK}?", "output": "x", "rating": 1, "correction": MARK}) + f'\n{{"{MARK}": \n'
    )
    person.run("feedback", "import", folder / "in.jsonl", "--model", MODEL)
    assert person.run("promote", "1.0.0", "--force", "--yes", "--model", MODEL).code == 0
    return person.home.root


@pytest.fixture
def owner(made: Path, tmp_path: Path) -> Person:
    """That person, with the home and the user's folder in one that is only for the test."""
    shutil.copytree(made, tmp_path / "home")
    (tmp_path / "user").mkdir()
    return Person(
        Home(tmp_path / "home"), {"HOME": str(tmp_path / "user"), "XDG_CONFIG_HOME": "", "XDG_RUNTIME_DIR": ""}
    )


def tags(person: Person) -> set[str]:
    return set(WeightlessRuntime(person.home.embedded_store).tags())


def left_of(person: Person, model: str) -> list[str]:
    """Whatever is left of a model in its home."""
    with Store(person.home.database) as store:
        found = [f"{count} rows of {table}" for table, count in rows_of(store, model).items()]
    found += [tag for tag in tags(person) if tag.startswith(f"{model}:")]
    folders = [path for path in person.home.root.rglob("*") if path.is_dir() and "embedded" not in path.parts]
    named = [str(path) for path in folders if model in path.name]
    return found + named + ([model] if model in config.load(person.home).models else [])


def test_a_model_is_removed_from_everywhere_and_the_others_stay(owner: Person) -> None:
    assert len(files_with(MARK, owner.home.root)) > 2
    said = owner.run("remove", MODEL, "--yes")
    assert said.code == 0, said
    assert left_of(owner, MODEL) == []
    assert files_with(MARK, owner.home.root) == []
    assert f"{OTHER}:latest" in tags(owner)
    assert owner.run("status", OTHER).code == 0
    with Store(owner.home.database) as store:
        assert store.versions.deployment(OTHER)
    assert "removed" in owner.run("history").stdout


def test_what_goes_and_what_stays_is_said_first(owner: Person, tiny_path: Path) -> None:
    before = (tags(owner), owner.home.config_file.read_text())
    planned = owner.json("remove", MODEL, "--dry-run")
    assert set(planned["tags"]) == {f"{MODEL}:{each}" for each in (*VERSIONS, "latest", "previous", "base")}
    assert planned["tags"][-1] == f"{MODEL}:base"
    assert any(str(tiny_path) in sentence for sentence in planned["kept"])
    assert (planned["removed"], planned["rows"]["feedback"]) == (False, 1)
    asked = owner.run("remove", MODEL, given="n\n")
    assert asked.code == 130
    assert f"{MODEL}:1.1.0" in asked.stderr
    assert owner.run("remove", MODEL).code == 130  # nobody answers
    assert (tags(owner), owner.home.config_file.read_text()) == before
    assert owner.run("remove", MODEL, given="y\n").code == 0
    assert left_of(owner, MODEL) == []


@pytest.mark.parametrize("written", ["in pieces", "on one line", "alone"])
def test_settings_go_however_they_are_written(owner: Person, written: str) -> None:
    base = config.load(owner.home).models[MODEL]
    ours, short = f'base = "{base.base}"\nbase_digest = "{base.base_digest}"\n', '{ base = "b", base_digest = "d" }'
    text = {
        "in pieces": f"# mine\n[models.{MODEL}]\n{ours}[models.{OTHER}]\n{ours}# theirs\n"
        f"[models.{MODEL}.training]\nrank = 4\n",
        "on one line": f"models.{OTHER} = {short}\nmodels.{MODEL} = {short}\n",
        "alone": f"[models.{MODEL}]\n{ours}",
    }
    owner.home.config_file.write_text(f'runtime = "embedded"\n{text[written]}[runs]\nretries = 3\n')
    said = owner.run("remove", MODEL, "--yes")
    assert said.code == 0, said
    left = config.load(owner.home)
    assert (set(left.models), left.runs.retries) == (set() if written == "alone" else {OTHER}, 3)


def test_feedback_is_kept_where_that_is_wanted(owner: Person) -> None:
    said = owner.run("remove", MODEL, "--keep-feedback", "--yes")
    assert str(owner.home.inbox(MODEL)) in said.stdout
    assert files_with(MARK, owner.home.inbox(MODEL)) != []


def test_a_tag_that_was_not_made_here_stays_and_is_named(owner: Person) -> None:
    runtime = WeightlessRuntime(owner.home.embedded_store)
    runtime.copy(f"{MODEL}:1.0.0", f"{MODEL}:mine")
    said = owner.run("remove", MODEL, "--yes")
    assert f"{MODEL}:mine was not made here" in said.stdout
    assert f"{MODEL}:mine" in tags(owner)


def test_a_model_that_never_was_is_not_removed(owner: Person) -> None:
    said = owner.run("remove", "nothing", "--yes")
    assert (said.code, "'nothing'" in said.complaint) == (4, True)
    assert owner.run("remove", MODEL, "--yes").code == 0
    assert owner.run("remove", MODEL, "--yes").code == 4


STEPS = ["remove_settings", "forget_versions", "forget_model", "files", "tags"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_was_killed_is_finished_by_the_same_command(
    owner: Person, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    owners, name = {
        "files": (leftovers, "remove"), "tags": (WeightlessRuntime, "delete"),
    }.get(step, (remove_model, step))  # fmt: skip
    real = getattr(owners, name)

    def dies(*arguments: object, **named: object) -> None:
        if after:
            real(*arguments, **named)
        raise Killed

    loaded = config.load(owner.home)
    runtime = WeightlessRuntime(owner.home.embedded_store)
    with Store(owner.home.database) as store, monkeypatch.context() as patch:
        patch.setattr(owners, name, dies)
        with pytest.raises(Killed):
            ModelRemover(store, owner.home, loaded, runtime, MODEL).remove()
    said = owner.run("remove", MODEL, "--yes")
    if not (step == "forget_model" and after and said.code == 4):
        assert said.code == 0, said
    assert left_of(owner, MODEL) == []


def test_nothing_brings_a_removed_model_back(owner: Person) -> None:
    """A daemon that has not read the configuration again yet repairs tags by the old one."""
    old, runtime = config.load(owner.home), WeightlessRuntime(owner.home.embedded_store)
    assert owner.run("remove", MODEL, "--yes").code == 0
    with Store(owner.home.database) as store:
        reconcile(store, owner.home, old, runtime)
    assert left_of(owner, MODEL) == []


def test_a_running_daemon_goes_on_with_the_other_models(owner: Person) -> None:
    with owner.daemon() as daemon:
        assert owner.run("remove", MODEL, "--yes").code == 0
        wait_until("the daemon has read the configuration", lambda: f"watching {OTHER}" in daemon.said)
        assert left_of(owner, MODEL) == []
        refused = owner.run("uninstall", "--yes")
        assert (refused.code, "end it first" in refused.complaint) == (8, True)
    assert left_of(owner, MODEL) == []


def test_a_run_in_progress_is_cancelled_first(person: Person, tmp_path: Path) -> None:
    feed(person, tmp_path / "application")
    with person.begun("retrain") as process:
        wait_until("a stage is at work", lambda: _runs(person), timeout_s=120)
        said = person.run("remove", MODEL, "--yes")
        assert said.code == 0, said
        person.wait(process)
    assert "which is not finished" in said.stdout
    assert left_of(person, MODEL) == []


def _runs(person: Person) -> bool:
    with Store(person.home.database) as store:
        run = store.runs.latest(MODEL)
        return bool(run and run.state is RunState.RUNNING and store.runs.stages(run.id))


@pytest.mark.ollama
def test_ollama_keeps_what_the_model_was_made_from(stranger: Person, ollama_host: str, tiny_path: Path) -> None:
    person = begin(stranger, tiny_path, "--host", ollama_host)
    runtime = OllamaRuntime(ollama_host)
    runtime.copy(f"{MODEL}:base", "origin:latest")
    person.correct(f'base = "{tiny_path}"', 'base = "origin"')
    said = person.run("remove", MODEL, "--yes")
    assert said.code == 0, said
    assert "`ollama rm origin:latest`" in said.stdout
    assert {tag for tag in runtime.tags() if tag.startswith((f"{MODEL}:", "origin:"))} == {"origin:latest"}
    runtime.delete("origin:latest")


def test_a_model_is_not_half_removed_where_ollama_does_not_answer(owner: Person) -> None:
    owner.home.config_file.write_text(
        owner.home.config_file.read_text().replace('"embedded"', '"ollama"')
        + '\n[ollama]\nhost = "http://127.0.0.1:9"\n'
    )
    assert owner.run("remove", MODEL, "--yes").code == 5
    assert MODEL in config.load(owner.home).models


class TestUninstall:
    def test_the_home_goes_and_feedback_stays(self, owner: Person, tmp_path: Path, tiny_path: Path) -> None:
        with Store(owner.home.database) as store:
            take_posted(store, MODEL, [{"prompt": f"Posted {MARK}?", "output": "y", "rating": 2, "correction": MARK}])
        said = owner.run("uninstall", "--yes")
        assert said.code == 0, said
        assert [path.name for path in owner.home.root.iterdir()] == ["feedback"]
        assert f"feedback stays in {owner.home.root / 'feedback'}" in said.stdout
        assert "pip uninstall adapterd" in said.stdout
        fresh = begin(Person(Home(tmp_path / "fresh"), owner.environment), tiny_path, "--runtime", "embedded")
        (posted,) = owner.home.inbox(MODEL).glob("http-*.jsonl")
        assert fresh.run("feedback", "import", posted).code == 0
        with Store(fresh.home.database) as store:
            assert [MARK in each.record for each in store.feedback.all(MODEL)] == [True]

    def test_everything_goes_where_that_is_wanted(self, owner: Person) -> None:
        said = owner.run("uninstall", "--with-tags", "--with-feedback", "--yes")
        assert said.code == 0, said
        assert not owner.home.root.exists()
        again = owner.run("uninstall", "--yes")
        assert (again.code, "nothing of adapterd" in again.stdout) == (0, True)
        assert not owner.home.root.exists()

    def test_what_goes_is_said_first(self, owner: Person) -> None:
        planned = owner.json("uninstall", "--dry-run")
        assert str(owner.home.config_file) in planned["paths"]
        assert (planned["removed"], planned["service"]) == (False, None)
        assert owner.run("uninstall", given="n\n").code == 130
        assert owner.home.config_file.is_file()

    def test_files_of_others_stay_and_are_named(self, owner: Person) -> None:
        (owner.home.root / "diary.txt").write_text("dear diary")
        said = owner.run("uninstall", "--with-feedback", "--yes")
        assert str(owner.home.root / "diary.txt") in said.stdout
        assert [path.name for path in owner.home.root.iterdir()] == ["diary.txt"]

    @pytest.mark.parametrize("damage", [b"no database at all" * 500, b""])
    def test_a_damaged_database_keeps_nothing_from_going(self, owner: Person, damage: bytes) -> None:
        for beside in owner.home.root.glob("state.db-*"):
            beside.unlink()
        owner.home.database.write_bytes(damage)
        said = owner.run("uninstall", "--yes")
        assert said.code == 0, said
        assert [path.name for path in owner.home.root.iterdir()] == ["feedback"]
        kept = list((owner.home.root / "feedback").glob("state-*.db"))
        assert [file.read_bytes() for file in kept] == ([damage] if damage else [])

    def test_a_damaged_configuration_keeps_nothing_from_going(self, owner: Person) -> None:
        owner.home.config_file.write_text("[models")
        said = owner.run("uninstall", "--yes")
        assert (said.code, owner.home.config_file.exists()) == (0, False), said
        assert "the configuration cannot be read" in said.stdout

    def test_a_runtime_that_is_gone_keeps_nothing_from_going(self, owner: Person) -> None:
        text = owner.home.config_file.read_text().replace('"embedded"', '"ollama"')
        owner.home.config_file.write_text(text + '\n[ollama]\nhost = "http://127.0.0.1:9"\n')
        said = owner.run("uninstall", "--with-tags", "--yes")
        assert said.code == 0, said
        assert f"{MODEL}" in said.stdout
        assert "does not tell its tags" in said.stdout

    @pytest.mark.ollama
    def test_tags_stay_in_ollama_unless_they_are_to_go(
        self, stranger: Person, ollama_host: str, tiny_path: Path
    ) -> None:
        person = begin(stranger, tiny_path, "--host", ollama_host)
        planned = person.json("uninstall", "--dry-run")
        assert any(f"`ollama rm {MODEL}:latest {MODEL}:base`" in sentence for sentence in planned["kept"])
        assert person.run("uninstall", "--with-tags", "--yes").code == 0
        assert [tag for tag in OllamaRuntime(ollama_host).tags() if tag.startswith(f"{MODEL}:")] == []
