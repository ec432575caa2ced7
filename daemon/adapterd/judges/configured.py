"""The judges of the configuration: which one a model has, who exactly that is, and whether it may be asked."""

import json
from dataclasses import dataclass
from hashlib import sha256

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.capture.wire.dialects import is_cloud
from adapterd.chat import ChatOptions
from adapterd.config import JudgeSettings, Settings
from adapterd.config.addresses.ollama_address import without_password
from adapterd.errors import AdapterdError, ConfigError, NotFoundError
from adapterd.evaluation.judging.ask import PAIR_SCHEMA, Judged, pair_messages
from adapterd.evaluation.judging.families import ModelIdentity, family_warnings
from adapterd.evaluation.judging.rubric import default_rubric, read_rubric
from adapterd.home import Home
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import ModelTags, listed_name
from adapterd.store.judging.verdicts import KeptJudge
from adapterd.teachers.configured import is_elsewhere, place_of


@dataclass(frozen=True)
class ConfiguredJudge:
    """A model's judge as the configuration has it: what it reads as the rubric, and how it answers."""

    name: str
    settings: JudgeSettings
    rubric: str

    @property
    def options(self) -> ChatOptions:
        """How it answers."""
        of = self.settings
        return ChatOptions(
            num_ctx=of.num_ctx, num_predict=of.num_predict, temperature=of.temperature, think=of.think.wanted,
            schema=PAIR_SCHEMA,
        )  # fmt: skip

    @property
    def hash(self) -> str:
        """Of all that decides what it says but the digest: SHA-256 in hex."""
        asked = [each.content for each in pair_messages(Judged((), self.rubric), "", "")]
        place = without_password(self.settings.base_url or "")
        return _hash(self.settings.model, place, asked, str(self.options))


def configured_judge(settings: Settings, model: str) -> ConfiguredJudge:
    """The model's judge: the one that its settings name, else the only one there is. Raises NotFoundError, and
    InputError for a rubric that cannot be used."""
    wanted, known = settings.models[model].judging, ", ".join(sorted(settings.judges))
    if wanted.judge is None and len(settings.judges) != 1:
        if known:
            hint = f"adapterctl config set models.{model}.judging.judge NAME"
            raise NotFoundError(f"which judge? configured are: {known}", hint=hint)
        hint = "adapterctl config set judges.big.model TAG names a model of Ollama as one"
        raise NotFoundError("no judge is configured", hint=hint)
    name = wanted.judge or known
    rubric = read_rubric(wanted.rubric) if wanted.rubric else default_rubric(settings.models[model].task)
    return ConfiguredJudge(name, settings.judges[name], rubric)


def require_consent(judge: ConfiguredJudge, settings: Settings) -> None:
    """Raise ConfigError for a judge elsewhere before somebody agreed that prompts are sent there."""
    if not judge.settings.prompts_may_leave and is_elsewhere(judge.settings, settings):
        raise ConfigError(
            f"the judge {judge.name} ({judge.settings.model}, {place_of(judge.settings, settings)}) would get your "
            "prompts and answers",
            hint=f"if it may: adapterctl config set judges.{judge.name}.prompts_may_leave true",
        )


def digest_of(judge: ConfiguredJudge, settings: Settings) -> str:
    """The digest of its tag in Ollama; empty where nobody can see which weights answer. Raises NotFoundError for a tag
    that is not there, and what the runtime raises."""
    if judge.settings.base_url is not None or is_cloud(judge.settings.model):
        return ""
    ollama = _ollama(settings)
    tags = ollama.tags()
    tag = listed_name(judge.settings.model, tags)
    if tag is None:
        raise NotFoundError(
            f"Ollama has no {judge.settings.model}, which is the judge {judge.name}",
            hint=f"ollama pull {judge.settings.model}",
        )
    return "" if ollama.show(tag).remote else tags[tag]


def identified(judge: ConfiguredJudge, settings: Settings, home: Home, model: str) -> KeptJudge:
    """Who exactly the judge is, by the digest of now, with warnings of whom it may favour. Raises as `digest_of`."""
    digest = digest_of(judge, settings)
    return KeptJudge(
        _hash(judge.hash, digest), judge.hash, judge.name, judge.settings.model, digest,
        _warnings(judge, settings, home, model, has_file=bool(digest)),
        why_advice(judge, digest),
    )  # fmt: skip


def why_advice(judge: ConfiguredJudge, digest: str) -> str:
    """Why nothing that it says may inform a gate, whoever agrees with it; empty if it may."""
    if digest or judge.settings.pinned:
        return ""
    return (
        f"nobody can see whether other weights answer as {judge.settings.model} one day; judges.{judge.name}.pinned "
        "says that none do"
    )


def _warnings(judge: ConfiguredJudge, settings: Settings, home: Home, model: str, *, has_file: bool) -> tuple[str, ...]:
    named = judge.settings.model
    who = ModelIdentity(named, _architecture(_ollama(settings), named) if has_file else "")
    base = ModelIdentity(settings.models[model].base, _architecture(runtime_for(settings, home), ModelTags(model).base))
    teachers = [("teacher", ModelIdentity(each.model)) for _, each in sorted(settings.teachers.items())]
    return family_warnings(who, [("student", base), ("student", ModelIdentity(model)), *teachers])


def _architecture(runtime: Runtime, tag: str) -> str:
    """The architecture of a tag, empty where its file cannot be read here."""
    try:
        file = runtime.show(tag).gguf
        return GgufFile.open(file).architecture if file else ""
    except AdapterdError:
        return ""


def _ollama(settings: Settings) -> OllamaRuntime:
    return OllamaRuntime(settings.ollama.host, settings.ollama.timeout_s)


def _hash(*values: object) -> str:
    return sha256(json.dumps(values, ensure_ascii=True).encode()).hexdigest()
