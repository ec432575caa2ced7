"""Whether a judge is of one family with what it judges: by the architecture in the GGUF, and by their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

GENERIC = frozenset({
    "base", "chat", "coder", "code", "custom", "distill", "distilled", "dpo", "gguf", "instruct", "it", "judge",
    "large", "latest", "local", "lora", "medium", "mini", "model", "my", "nano", "new", "preview", "pro", "small",
    "sft", "teacher", "text", "tiny", "tuned", "vision",
})  # fmt: skip
"""Words of names that name no family."""
_WORD = re.compile(r"[a-z]+")
_SIZE_OR_QUANT = re.compile(r"\b(\d+(\.\d+)?[bmk]|i?q\d\w*|f(p)?(16|32)|bf16)\b")


@dataclass(frozen=True)
class ModelIdentity:
    """A model by its name (`qwen2.5:7b`), and by `general.architecture` of its GGUF, empty where that is not known."""

    name: str
    architecture: str = ""


def family_warnings(judge: ModelIdentity, others: Sequence[tuple[str, ModelIdentity]]) -> tuple[str, ...]:
    """A sentence for each model that the judge may favour; `others` are (student or teacher, who it is)."""
    return tuple(filter(None, (_warning(judge, role, each) for role, each in others)))


def stems(name: str) -> frozenset[str]:
    """The words of a name that may name a family: `hf.co/org/Qwen2.5-7B-Instruct-GGUF:Q4_K_M` → qwen. The namespace in
    front of it, the tag, sizes and common words are none."""
    plain = name.casefold().rpartition("/")[2].partition(":")[0].replace("_", "-")
    words = _WORD.findall(_SIZE_OR_QUANT.sub(" ", plain))
    return frozenset(word for word in words if len(word) > 2 and word not in GENERIC)


def _warning(judge: ModelIdentity, role: str, other: ModelIdentity) -> str:
    if judge.name == other.name:
        return f"The judge {judge.name} is the {role} itself: it judges its own answers."
    if shared := sorted(stems(judge.name) & stems(other.name)):
        return (
            f"The judge {judge.name} and the {role} {other.name} are both called {shared[0]}: a judge favours its "
            "family."
        )
    one, two = (_line(each.architecture) for each in (judge, other))
    if one and one == two:
        return (
            f"The judge {judge.name} and the {role} {other.name} have the same architecture ({judge.architecture}), so "
            "they may be of one family: a judge favours its family."
        )
    return ""


def _line(architecture: str) -> str:
    """The line of an architecture, whatever its generation: qwen2 and qwen3moe are of qwen."""
    found = _WORD.match(architecture.casefold())
    return found[0] if found else ""
