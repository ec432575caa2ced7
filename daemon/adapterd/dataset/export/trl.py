"""TRL's conversational formats: prompt and completion for its SFTTrainer, prompt, chosen and rejected for its
DPOTrainer.

`thumbs` says what is known of the chosen answer: `up` if it is right, `down` if it is bad and only less so, else
blank. TRL passes over columns that it does not know. Every record has the column with a text in it, as `datasets`
wants all records to have the same columns.
"""

from adapterd.chat import as_dicts
from adapterd.dataset.examples import Example
from adapterd.dataset.export.export_format import ExampleFormat, Fields, PairFormat
from adapterd.dataset.export.openai import answer
from adapterd.dataset.export.stated_pairs import Better, StatedPair

_THUMBS = {Better.RIGHT: "up", Better.BETTER: "", Better.BAD: "down", Better.STILL_BAD: ""}


def _write(example: Example) -> Fields:
    return {"prompt": as_dicts(example.messages), "completion": answer(example.completion)}


def _write_pair(stated: StatedPair) -> Fields:
    pair = stated.pair
    return {
        "prompt": as_dicts(pair.messages),
        "chosen": answer(pair.chosen),
        "rejected": answer(pair.rejected),
        "thumbs": _THUMBS[stated.better],
    }


TRL = ExampleFormat(
    name="trl",
    description="TRL's prompt and completion for SFTTrainer, conversational; the loss is on the completion.",
    feedback_format="Completion",
    example={
        "prompt": [{"role": "user", "content": "Who met?"}],
        "completion": [{"role": "assistant", "content": "The council."}],
    },
    write=_write,
)
TRL_PREFERENCE = PairFormat(
    name="trl-preference",
    description="TRL's preferences for DPOTrainer, conversational; `thumbs` is what is known of the chosen answer.",
    feedback_format="Preference",
    example={
        "prompt": [{"role": "user", "content": "Who met?"}],
        "chosen": [{"role": "assistant", "content": "The council."}],
        "rejected": [{"role": "assistant", "content": "The mayor."}],
        "thumbs": "up",
    },
    write=_write_pair,
    tells_right=True,
)
