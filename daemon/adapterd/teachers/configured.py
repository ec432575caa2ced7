"""The teachers of the configuration: which one a model has, whether its terms allow training, and how it is reached."""

from typing import TYPE_CHECKING

from adapterd.capture.wire.dialects import is_cloud
from adapterd.config import RemoteModel, Settings, TeacherSettings
from adapterd.config.addresses.ollama_address import OllamaAddress, without_password
from adapterd.config.addresses.this_machine import is_this_machine
from adapterd.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from adapterd.teachers.clients.ollama import OllamaTeacher
    from adapterd.teachers.clients.openai import OpenAITeacher


def teacher_name(settings: Settings, model: str) -> str:
    """The name of the model's teacher: the one that its settings name, else the only one there is. Raises
    NotFoundError."""
    named = settings.models[model].teaching.teacher
    if named is not None:
        return named
    if len(settings.teachers) == 1:
        return next(iter(settings.teachers))
    if settings.teachers:
        known = ", ".join(sorted(settings.teachers))
        raise NotFoundError(
            f"which teacher? configured are: {known}",
            hint=f"adapterctl config set models.{model}.teaching.teacher NAME",
        )
    raise NotFoundError(
        "no teacher is configured", hint="adapterctl config set teachers.big.model TAG names a model of Ollama as one"
    )


def is_elsewhere(teacher: RemoteModel, settings: Settings) -> bool:
    """Whether what it is asked leaves this machine."""
    if teacher.base_url is None:
        return is_cloud(teacher.model) or not is_this_machine(OllamaAddress.parse(settings.ollama.host).host)
    return not is_this_machine(OllamaAddress.parse(teacher.base_url).host)


def place_of(teacher: RemoteModel, settings: Settings) -> str:
    """Where it is asked, for people."""
    return without_password(teacher.base_url or f"Ollama at {settings.ollama.host}")


def require_terms(name: str, teacher: TeacherSettings, settings: Settings) -> None:
    """Raise ConfigError for a teacher that is asked elsewhere before somebody said that its terms allow training."""
    if not teacher.terms_allow_training and is_elsewhere(teacher, settings):
        raise ConfigError(
            f"the teacher {name} ({teacher.model}, {place_of(teacher, settings)}) gets your prompts, and its terms may "
            "forbid to train on its answers",
            hint=f"read them, then `adapterctl config set teachers.{name}.terms_allow_training true`",
        )


def open_teacher(
    name: str, teacher: RemoteModel, settings: Settings, *, role: str = "teacher"
) -> "OllamaTeacher | OpenAITeacher":
    """The client of a teacher, or of a model in another role, to be entered before it is asked; raises ConfigError for
    an address or a key that cannot be used."""
    if teacher.base_url is None:
        from adapterd.teachers.clients.ollama import OllamaTeacher

        return OllamaTeacher(
            name, teacher.model, settings.ollama.host, timeout_s=teacher.timeout_s, role=role,
            may_be_remote=teacher.may_be_elsewhere,
        )  # fmt: skip
    from adapterd.teachers.clients.openai import OpenAITeacher

    return OpenAITeacher(
        name, teacher.model, teacher.base_url, key_variable=teacher.key_env or "", timeout_s=teacher.timeout_s,
        role=role,
    )  # fmt: skip
