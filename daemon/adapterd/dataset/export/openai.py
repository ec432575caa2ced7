"""OpenAI's formats of fine-tuning: `messages` for supervised fine-tuning, two outputs for preferences (DPO).

Only the last answer of a conversation is taught: the weights of earlier ones are 0. Records have no fields but OpenAI's
own, for it refuses others.
"""

from adapterd.chat import Prompt, Role, as_dicts
from adapterd.dataset.examples import Example
from adapterd.dataset.export.export_format import ExampleFormat, Fields, PairFormat
from adapterd.dataset.export.stated_pairs import Better, StatedPair

ONLY_LESS_BAD = "its better answer is bad, too, which the format has no word for"


def answer(text: str) -> list[dict[str, str]]:
    """An answer as the one message of a list."""
    return [{"role": str(Role.ASSISTANT), "content": text}]


def _write(example: Example) -> Fields:
    return {"messages": [*_weighted(example.messages), *answer(example.completion)]}


def _weighted(prompt: Prompt) -> list[Fields]:
    return [
        {**turn, "weight": 0} if turn["role"] == Role.ASSISTANT else {**turn}
        for turn in as_dicts(prompt)
    ]  # fmt: skip


def _write_pair(stated: StatedPair) -> Fields:
    return {
        "input": {"messages": as_dicts(stated.pair.messages)},
        "preferred_output": answer(stated.pair.chosen),
        "non_preferred_output": answer(stated.pair.rejected),
    }


def _fault(stated: StatedPair) -> str:
    return ONLY_LESS_BAD if stated.better in (Better.BAD, Better.STILL_BAD) else ""


OPENAI = ExampleFormat(
    name="openai",
    description="OpenAI's supervised fine-tuning: a conversation as `messages`; earlier answers have a `weight` of 0.",
    feedback_format="Chat",
    example={"messages": [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The council."}]},
    write=_write,
    has_mark=False,
)
OPENAI_PREFERENCE = PairFormat(
    name="openai-preference",
    description="OpenAI's preference fine-tuning (DPO): an input, the preferred output, and the other one.",
    feedback_format="OpenAIPreference",
    example={
        "input": {"messages": [{"role": "user", "content": "Who met?"}]},
        "preferred_output": [{"role": "assistant", "content": "The council."}],
        "non_preferred_output": [{"role": "assistant", "content": "The mayor."}],
    },
    write=_write_pair,
    fault=_fault,
    has_mark=False,
)
