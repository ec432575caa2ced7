"""Alpaca's, ShareGPT's and mlx-lm's formats: prompts with the answer to imitate."""

from adapterd.chat import Prompt, Role, as_dicts
from adapterd.dataset.examples import Example
from adapterd.dataset.export.export_format import ExampleFormat, Fields, Part
from adapterd.dataset.export.openai import answer

SEVERAL_TURNS = "its conversation has several turns, and Alpaca's format has one"
_SPEAKERS = {Role.SYSTEM: "system", Role.USER: "human", Role.ASSISTANT: "gpt"}


def _alpaca(example: Example) -> Fields:
    *before, asked = example.messages
    return {
        "instruction": asked.content,
        "input": "",
        "output": example.completion,
        "system": before[0].content if before else "",
    }


def _several_turns(prompt: Prompt) -> str:
    roles = [each.role for each in prompt]
    return "" if roles in ([Role.USER], [Role.SYSTEM, Role.USER]) else SEVERAL_TURNS


def _sharegpt(example: Example) -> Fields:
    turns = [{"from": _SPEAKERS[each.role], "value": each.content} for each in example.messages]
    return {"conversations": [*turns, {"from": _SPEAKERS[Role.ASSISTANT], "value": example.completion}]}


def _mlx_lm(example: Example) -> Fields:
    return {"messages": [*as_dicts(example.messages), *answer(example.completion)]}


ALPACA = ExampleFormat(
    name="alpaca",
    description="Alpaca's: an instruction and the answer, with a `system` prompt as LLaMA-Factory reads it; one turn.",
    feedback_format="Alpaca",
    example={"instruction": "Who met?", "input": "", "output": "The council.", "system": ""},
    write=_alpaca,
    fault=_several_turns,
)
SHAREGPT = ExampleFormat(
    name="sharegpt",
    description="ShareGPT's: a conversation as `conversations`, of `from` (system, human, gpt) and `value`.",
    feedback_format="ShareGPT",
    example={"conversations": [{"from": "human", "value": "Who met?"}, {"from": "gpt", "value": "The council."}]},
    write=_sharegpt,
    on_turns="mask_history in LLaMA-Factory",
)
MLX_LM = ExampleFormat(
    name="mlx-lm",
    description="mlx-lm's folder for `mlx_lm.lora --data`: a file for each set: train, valid, and of `--set all` test.",
    feedback_format="Chat",
    example={"messages": [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The council."}]},
    write=_mlx_lm,
    on_turns="--mask-prompt of mlx_lm.lora",
    files={Part.TRAIN: "train.jsonl", Part.VALIDATION: "valid.jsonl", Part.EVALUATION: "test.jsonl"},
)
