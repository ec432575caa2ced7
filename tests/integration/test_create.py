"""`init`, from a base to a model that applications can use, on both runtimes; and everything that it refuses."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import OllamaSettings, RuntimeKind, Settings, Task
from adapterd.deployment import create_model as create
from adapterd.deployment.create_model import NewModel, create_model, general_settings
from adapterd.deployment.deploy import Deployer
from adapterd.errors import (
    AdapterdError,
    ConfigError,
    InputError,
    NotFoundError,
    RuntimeUnavailableError,
    UnsupportedModelError,
)
from adapterd.home import Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest, pinned_base, runtime_for
from adapterd.serving.tags import BASE
from adapterd.store import Store
from tests.support.real_ollama import OLLAMA
from tests.support.tiny_gguf import write_tiny_gguf

JINJA = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}<assistant>"
GO = "{{ range .Messages }}<{{ .Role }}>{{ .Content }}</{{ .Role }}>{{ end }}<assistant>"
ASKED = (Message(Role.USER, "hello"),)
WITHOUT_TEMPLATE: dict[str, str] = {}
numbers = itertools.count(1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(params=["embedded", OLLAMA])
def general(request: pytest.FixtureRequest) -> Settings:
    """Settings without models, for each runtime in turn."""
    if request.param == "embedded":
        return Settings(runtime=RuntimeKind.EMBEDDED)
    return Settings(ollama=OllamaSettings(host=request.getfixturevalue("ollama_server").host))


@pytest.fixture
def runtime(general: Settings, home: Home) -> Runtime:
    return runtime_for(general, home)


@pytest.fixture
def name(runtime: Runtime) -> Iterator[str]:
    """A model name of this test alone; all tags that have it in their name are gone afterwards."""
    name = f"created-{next(numbers)}"
    yield name
    for tag in [tag for tag in runtime.tags() if name in tag]:
        runtime.delete(tag)


@pytest.fixture
def file(new_file: Callable[..., Path]) -> Path:
    return new_file()


@pytest.fixture
def new_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes model files that nobody has seen before."""

    def make(metadata: dict[str, str] | None = None, **settings: Any) -> Path:
        number = next(numbers)
        more = {"tokenizer.chat_template": JINJA} if metadata is None else metadata
        path = tmp_path / f"{number}.gguf"
        return write_tiny_gguf(path, layers=1, metadata={"general.name": f"tiny {number}", **more}, **settings)

    return make


def template_for(runtime: Runtime) -> str:
    """As a person would give it: each runtime has a language of its own."""
    return GO if runtime.name == "ollama" else JINJA


def tags_of(runtime: Runtime, name: str) -> dict[str, str]:
    return {tag: digest for tag, digest in runtime.tags().items() if tag.startswith(f"{name}:")}


# What it makes.


def test_a_file_becomes_a_model(home: Home, general: Settings, runtime: Runtime, name: str, smollm2_path: Path) -> None:
    shares: list[float] = []
    made = create_model(home, general, NewModel(name, str(smollm2_path), task=Task.JSON), report=shares.append)
    assert made.base == str(smollm2_path)
    assert made.base_digest == file_digest(smollm2_path)
    assert made.task is Task.JSON

    tags = tags_of(runtime, name)
    assert tags.keys() == {f"{name}:base", f"{name}:latest"}
    assert tags[f"{name}:base"] == tags[f"{name}:latest"]
    assert pinned_base(runtime, name, made).digest == made.base_digest
    assert runtime.render(name, ASKED).endswith("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n")

    with Store(home.database) as store:
        deployment = store.versions.deployment(name)
    assert deployment is not None
    assert (deployment.live, deployment.live_digest) == (BASE, tags[f"{name}:latest"])
    assert made.feedback.folder == home.inbox(name)
    assert home.inbox(name).stat().st_mode & 0o777 == 0o700


def test_a_tag_becomes_a_model_that_does_not_need_it_any_more(
    home: Home, general: Settings, runtime: Runtime, name: str, file: Path
) -> None:
    runtime.create(f"{name}-base:1", file, file_digest(file), Modelfile(system="Be brief.", parameters={"top_k": 3}))
    made = create_model(home, general, NewModel(name, f"{name}-base:1"))
    assert (made.base, made.base_digest) == (f"{name}-base:1", file_digest(file))
    assert set(tags_of(runtime, name).values()) == {runtime.tags()[f"{name}-base:1"]}

    runtime.delete(f"{name}-base:1")
    base = pinned_base(runtime, name, made)
    assert base.digest == made.base_digest
    assert (base.modelfile.system, base.modelfile.parameters) == ("Be brief.", {"top_k": 3})


def test_a_tag_without_a_label_is_latest(
    home: Home, general: Settings, runtime: Runtime, name: str, file: Path
) -> None:
    runtime.create(f"{name}-base", file, file_digest(file), Modelfile())
    assert create_model(home, general, NewModel(name, f"{name}-base")).base == f"{name}-base:latest"


def test_the_configuration_says_the_same_and_explains_itself(
    home: Home, general: Settings, name: str, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "s.json").write_text('{"type": "object"}')
    new = NewModel(
        name, str(file), task=Task.JSON, feedback=tmp_path / "inbox", schema=tmp_path / "s.json",
        changes=("training.rank=8", "dataset.evaluation_max=50"),
    )  # fmt: skip
    made = create_model(home, general, new)
    assert made.training.rank == 8
    assert config.load(home) == replace(general, models={name: made})
    text = home.config_file.read_text()
    for line in ("rank = 8", "base_digest =", "cron =", "task ="):
        assert any(found.startswith(line) and "# " in found for found in text.splitlines()), line
    assert "[models." + name + ".dataset]" in text
    assert "[models." + name + ".evaluation]" not in text
    assert home.config_file.stat().st_mode & 0o777 == 0o600


def test_a_second_model_is_added_and_what_a_person_wrote_stays(
    home: Home, general: Settings, name: str, file: Path
) -> None:
    create_model(home, general, NewModel(name, str(file)))
    mine = "# mine: do not touch\n" + home.config_file.read_text().replace("rank = 16", "rank = 4")
    home.config_file.write_text(mine)
    create_model(home, config.load(home), NewModel(f"{name}-b", str(file)))
    assert home.config_file.read_text().startswith(mine.rstrip())
    models = config.load(home).models
    assert (models[name].training.rank, models[f"{name}-b"].training.rank) == (4, 16)


def test_an_inbox_that_is_there_keeps_its_mode(
    home: Home, general: Settings, name: str, file: Path, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir(mode=0o755)
    create_model(home, general, NewModel(name, str(file), feedback=inbox))
    assert inbox.stat().st_mode & 0o777 == 0o755


def test_the_users_file_is_not_touched(home: Home, general: Settings, name: str, file: Path) -> None:
    before = file.stat()
    create_model(home, general, NewModel(name, str(file)))
    after = file.stat()
    assert (after.st_mode, after.st_nlink, after.st_mtime_ns) == (before.st_mode, 1, before.st_mtime_ns)


# Given again.


def test_the_same_command_again_changes_nothing(
    home: Home, general: Settings, runtime: Runtime, name: str, file: Path
) -> None:
    made = create_model(home, general, NewModel(name, str(file)))
    text, tags = home.config_file.read_bytes(), tags_of(runtime, name)
    assert create_model(home, config.load(home), NewModel(name, str(file))) == made
    assert (home.config_file.read_bytes(), tags_of(runtime, name)) == (text, tags)
    with Store(home.database) as store:
        assert len(store.versions.deployments(name)) == 1


@pytest.mark.parametrize("label", ["base", "latest"])
def test_the_same_command_again_puts_a_missing_tag_back(
    home: Home, general: Settings, runtime: Runtime, name: str, file: Path, label: str
) -> None:
    made = create_model(home, general, NewModel(name, str(file)))
    tags = tags_of(runtime, name)
    runtime.delete(f"{name}:{label}")
    assert create_model(home, config.load(home), NewModel(name, str(file))) == made
    assert tags_of(runtime, name) == tags


def test_another_base_for_a_configured_model_is_refused_and_changes_nothing(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    made = create_model(home, general, NewModel(name, str(new_file())))
    tags = tags_of(runtime, name)
    with pytest.raises(InputError, match="configured with another base"):
        create_model(home, config.load(home), NewModel(name, str(new_file())))
    assert tags_of(runtime, name) == tags
    assert config.load(home).models[name] == made


def test_an_init_that_was_interrupted_can_be_given_again(
    home: Home, general: Settings, runtime: Runtime, name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    for owner, step in ((Deployer, "_verify"), (create, "add_model")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, power_cut)
            with pytest.raises(KeyboardInterrupt):
                create_model(
                    home, config.load(home) if home.config_file.exists() else general, NewModel(name, str(file))
                )
        assert not home.config_file.exists()
    made = create_model(home, general, NewModel(name, str(file)))
    assert config.load(home).models == {name: made}
    assert len(tags_of(runtime, name)) == 2


# What it refuses; nothing is left behind.


def refused(
    home: Home, general: Settings, runtime: Runtime, new: NewModel, error: type[AdapterdError], sentence: str
) -> AdapterdError:
    before = runtime.tags()
    with pytest.raises(error, match=sentence) as caught:
        create_model(home, general, new)
    assert runtime.tags() == before
    assert not home.config_file.exists()
    return caught.value


@pytest.mark.parametrize("wrong", ["", "Bad Name", "News", "a/b", "a:b", "-x", ".x", "x" * 65, "x\n"])
def test_a_name_that_ollama_or_a_folder_could_not_have(
    home: Home, general: Settings, runtime: Runtime, file: Path, wrong: str
) -> None:
    refused(home, general, runtime, NewModel(wrong, str(file)), InputError, "cannot be a model's name")


def test_a_file_that_is_not_there(home: Home, general: Settings, runtime: Runtime, name: str) -> None:
    refused(home, general, runtime, NewModel(name, "/nowhere/m.gguf"), NotFoundError, "/nowhere/m.gguf does not exist")


def test_a_tag_that_is_not_there_is_not_fetched(home: Home, general: Settings, runtime: Runtime, name: str) -> None:
    new = NewModel(name, "smollm2:135m")
    fault = refused(home, general, runtime, new, NotFoundError, "has no smollm2:135m")
    assert fault.hint == "ollama pull smollm2:135m"


def test_a_file_that_is_no_gguf(home: Home, general: Settings, runtime: Runtime, name: str, tmp_path: Path) -> None:
    letter = tmp_path / "letter.gguf"
    letter.write_text("Dear Sir, " * 50)
    refused(home, general, runtime, NewModel(name, str(letter)), InputError, "not a GGUF file")


def test_a_gguf_that_is_cut_short(home: Home, general: Settings, runtime: Runtime, name: str, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])
    refused(home, general, runtime, NewModel(name, str(file)), InputError, "cut short")


def test_an_architecture_that_is_not_supported(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    new = NewModel(name, str(new_file(architecture="gptneox")))
    refused(home, general, runtime, new, UnsupportedModelError, "'gptneox'; supported are: llama, qwen2")


def test_a_tag_with_an_architecture_that_is_not_supported(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    file = new_file(architecture="gptneox")
    runtime.create(f"{name}-base:1", file, file_digest(file), Modelfile())
    refused(home, general, runtime, NewModel(name, f"{name}-base:1"), UnsupportedModelError, "'gptneox'")


def test_a_tensor_type_that_nobody_knows(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    new = NewModel(name, str(as_type(new_file(type_name="Q4_0"), 153)))
    fault = refused(home, general, runtime, new, UnsupportedModelError, "attn_q.weight .* the tensor type 153")
    assert "Q4_K_M" in fault.hint


def test_a_base_of_types_that_cannot_be_quantised_again(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    types = dict.fromkeys(("token_embd", "output"), "Q8_0")
    new = NewModel(name, str(new_file(type_name="MXFP4", types=types)))
    fault = refused(home, general, runtime, new, UnsupportedModelError, "attn_k in 1 of 1 blocks .stored as MXFP4.")
    assert "Q4_K" in fault.hint


def test_projections_that_stay_as_they_are_are_named(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    said: list[str] = []
    file = new_file(type_name="Q4_0", types={"ffn_down": "MXFP4", "token_embd": "MXFP4"})
    create_model(home, general, NewModel(name, str(file)), notify=said.append)
    assert said == [
        "of the base's projections, ffn_down in 1 of 1 blocks (stored as MXFP4) get no adapter and stay as they are"
    ]


def test_a_name_that_somebody_else_uses(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    theirs = new_file()
    runtime.create(f"{name}:latest", theirs, file_digest(theirs), Modelfile())
    new = NewModel(name, str(new_file()))
    refused(home, general, runtime, new, InputError, f"{name}:latest is already there and was not made by adapterd")


def test_a_base_of_the_same_name(home: Home, general: Settings, runtime: Runtime, name: str, file: Path) -> None:
    runtime.create(f"{name}:7b", file, file_digest(file), Modelfile())
    refused(home, general, runtime, NewModel(name, f"{name}:7b"), InputError, "a model of the same name")


def test_a_setting_that_does_not_exist(home: Home, general: Settings, runtime: Runtime, name: str, file: Path) -> None:
    new = NewModel(name, str(file), changes=("training.rnak=8",))
    refused(home, general, runtime, new, ConfigError, r"training\.rnak: no such setting")


def test_a_file_without_a_chat_template_asks_for_one(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    new = NewModel(name, str(new_file(metadata=WITHOUT_TEMPLATE)))
    fault = refused(home, general, runtime, new, AdapterdError, "no chat template")
    assert "--template" in fault.hint


def test_a_file_without_a_chat_template_is_served_with_the_one_that_is_given(
    home: Home, general: Settings, runtime: Runtime, name: str, new_file: Callable[..., Path]
) -> None:
    template = template_for(runtime)
    new = NewModel(name, str(new_file(metadata=WITHOUT_TEMPLATE)), template=template, system="Be brief.")
    made = create_model(home, general, new)
    assert runtime.render(name, ASKED) == "<system>Be brief.</system><user>hello</user><assistant>"
    assert pinned_base(runtime, name, made).modelfile == Modelfile(template=template, system="Be brief.")


def test_a_template_that_cannot_be_read(home: Home, general: Settings, runtime: Runtime, name: str, file: Path) -> None:
    refused(home, general, runtime, NewModel(name, str(file), template="{{ if "), AdapterdError, "template")


def test_another_runtime_than_the_configured_one_is_an_error(
    home: Home, general: Settings, name: str, file: Path
) -> None:
    create_model(home, general, NewModel(name, str(file)))
    configured = config.load(home)
    same = general_settings(configured, home, host=None, runtime=str(general.runtime))
    assert same == configured
    with pytest.raises(InputError, match=r"config\.toml says otherwise"):
        general_settings(configured, home, host="http://elsewhere:1", runtime=None)


def test_a_runtime_that_does_not_answer(home: Home, file: Path) -> None:
    nobody = Settings(ollama=OllamaSettings(host="http://127.0.0.1:9"))
    with pytest.raises(RuntimeUnavailableError, match=r"127\.0\.0\.1:9"):
        create_model(home, nobody, NewModel("m", str(file)))
    assert not home.config_file.exists()


def as_type(path: Path, number: int) -> Path:
    """The file with its Q4_0 matrix blk.0.attn_q said to be of another type."""
    data = bytearray(path.read_bytes())
    name = b"blk.0.attn_q.weight"
    place = data.index(name) + len(name) + 4 + 2 * 8  # the number of dimensions, and two of them
    assert data[place : place + 4] == (2).to_bytes(4, "little")
    data[place : place + 4] = number.to_bytes(4, "little")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("text", [None, "not JSON", '{"type": "nonsense"}', "[]"])
def test_a_schema_that_makes_no_sense_is_refused_before_any_tag_is_made(
    home: Home, general: Settings, runtime: Runtime, name: str, file: Path, tmp_path: Path, text: str | None
) -> None:
    schema = tmp_path / "schema.json"
    if text is not None:
        schema.write_text(text)
    with pytest.raises(InputError, match=str(schema)):
        create_model(home, general, NewModel(name, str(file), task=Task.JSON, schema=schema))
    assert not any(tag.startswith(f"{name}:") for tag in runtime.tags())
