"""Feedback files as the tools of this trade write them, each with what it has to teach, stated by hand.

The shapes are those of the tools' own documentation; names, questions and answers are made up here.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.feedback_rows import argilla_row, inference

TOWNS = ("Aldermoor", "Brackwell", "Coldhythe", "Dunmarsh", "Elmstead", "Fernley")
GOOD, BAD = "The baker of {}.", "Nobody in {} knows."
Taught = tuple[tuple[str, ...], str]
"""Pieces of text that the prompt has, in this order, and the completion."""
Paired = tuple[tuple[str, ...], str, str]
"""The same, the chosen and the rejected answer."""


@dataclass(frozen=True)
class StatedFile:
    """A file, how many records it has, and what it teaches; `refused` is None where "left aside" and "refused" are both
    right."""

    name: str
    content: bytes
    records: int
    examples: tuple[Taught, ...] = ()
    pairs: tuple[Paired, ...] = ()
    refused: int | None = 0


def asked(town: str) -> str:
    return f"Who opened the fair of {town}?"


def good(town: str) -> str:
    return GOOD.format(town)


def bad(town: str) -> str:
    return BAD.format(town)


def _taught(towns: Sequence[str] = TOWNS, *before: str) -> tuple[Taught, ...]:
    return tuple(((*before, asked(town)), good(town)) for town in towns)


def _paired(towns: Sequence[str] = TOWNS) -> tuple[Paired, ...]:
    return tuple(((asked(town),), good(town), bad(town)) for town in towns)


def _lines(values: Iterable[Any]) -> bytes:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()


def _document(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def _cells(rows: Sequence[Mapping[str, Any]], *, separator: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _chat(town: str, answer: str | None = None, **more: Any) -> list[dict[str, Any]]:
    asking = [{"role": "user", "content": asked(town)}]
    return [*asking, {"role": "assistant", "content": answer, **more}] if answer else asking


def _said(answer: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": answer}]


def stated_files() -> list[StatedFile]:
    """All of them."""
    return [*_ours(), *_of_chats(), *_of_preferences(), *_of_trainers(), *_exports(), *_packed(), *_refused()]


def _ours() -> list[StatedFile]:
    judged = [
        *({"prompt": asked(town), "output": good(town), "rating": 5, "output_type": "name"} for town in TOWNS[:2]),
        *({"prompt": asked(town), "output": bad(town), "correction": good(town)} for town in TOWNS[2:4]),
        *({"prompt": asked(town), "output": bad(town), "rating": 1} for town in TOWNS[4:]),
    ]
    blank = [
        {"prompt": asked(TOWNS[0]), "output": good(TOWNS[0]), "rating": 5.0, "correction": "", "source_id": ""},
        {"prompt": asked(TOWNS[1]), "output": bad(TOWNS[1]), "rating": "", "correction": good(TOWNS[1])},
        {"prompt": asked(TOWNS[2]), "output": bad(TOWNS[2]), "rating": "2", "correction": None},
    ]
    inputs = [
        {"prompt": asked(town), "inputs": f"Report: {town} had a fair.", "output": good(town), "rating": 4}
        for town in TOWNS
    ]
    values = [{"prompt": f"How many stalls had {town}?", "output": 3, "correction": 4} for town in TOWNS]
    return [
        StatedFile(
            "ours.jsonl", _lines(judged), 6, _taught(TOWNS[:4]), _paired(TOWNS[2:4])
        ),
        StatedFile(
            "empty-cells.jsonl", _lines(blank), 3, _taught(TOWNS[:2]), _paired(TOWNS[1:2])
        ),
        StatedFile(
            "inputs.jsonl", _lines(inputs), 6,
            tuple(((asked(town), f"Report: {town} had a fair."), good(town)) for town in TOWNS),
        ),
        StatedFile(
            "numbers-as-answers.jsonl", _lines(values), 6,
            tuple(((f"How many stalls had {town}?",), "4") for town in TOWNS),
            tuple(((f"How many stalls had {town}?",), "4", "3") for town in TOWNS),
        ),
    ]  # fmt: skip


def _of_chats() -> list[StatedFile]:
    system = {"role": "system", "content": "You know every fair."}
    parts = [
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": asked(town)}]},
                {"role": "assistant", "content": [{"type": "text", "text": good(town)}]},
            ]
        }
        for town in TOWNS
    ]
    weighed = [
        *({"messages": _chat(town, good(town), weight=1)} for town in TOWNS[:3]),
        *({"messages": _chat(town, bad(town), weight=0)} for town in TOWNS[3:]),
    ]
    turns = [
        {"conversations": [{"from": "human", "value": asked(town)}, {"from": "gpt", "value": good(town)}]}
        for town in TOWNS
    ]
    history = [
        {"instruction": asked(town), "input": "", "output": good(town), "history": [["Was there a fair?", "Yes."]]}
        for town in TOWNS
    ]
    logs = [
        {
            "request": {"model": "smollm2", "messages": _chat(town), "stream": False},
            "response": {"model": "smollm2", "message": _said(bad(town))[0], "done": True, "done_reason": "stop"},
        }
        for town in TOWNS
    ]
    return [
        StatedFile(
            "openai-chat.jsonl", _lines({"messages": [system, *_chat(town, good(town))]} for town in TOWNS), 6,
            _taught(TOWNS, "You know every fair."),
        ),
        StatedFile("openai-parts.jsonl", _lines(parts), 6, _taught(TOWNS, "Be brief.")),
        StatedFile("openai-weights.jsonl", _lines(weighed), 6, _taught(TOWNS[:3]), refused=None),
        StatedFile("sharegpt.json", _document(turns), 6, _taught()),
        StatedFile(
            "sharegpt-roles.jsonl", _lines({"conversations": _chat(town, good(town))} for town in TOWNS), 6, _taught()
        ),
        StatedFile("llamafactory-history.json", _document(history), 6, _taught(TOWNS, "Was there a fair?", "Yes.")),
        StatedFile("ollama-log.jsonl", _lines(logs), 6, refused=None),
    ]  # fmt: skip


def _of_preferences() -> list[StatedFile]:
    openai = [
        {
            "input": {"messages": _chat(town)}, "preferred_output": _said(good(town)),
            "non_preferred_output": _said(bad(town)),
        }
        for town in TOWNS
    ]  # fmt: skip
    texts = [{"prompt": asked(town), "chosen": good(town), "rejected": bad(town)} for town in TOWNS]
    messages = [{"prompt": _chat(town), "chosen": _said(good(town)), "rejected": _said(bad(town))} for town in TOWNS]
    ultra = [
        {
            "prompt": asked(town), "prompt_id": f"p{place}", "chosen": _chat(town, good(town)),
            "rejected": _chat(town, bad(town)), "messages": _chat(town, good(town)), "score_chosen": 8.5,
            "score_rejected": 3.0,
        }
        for place, town in enumerate(TOWNS)
    ]  # fmt: skip
    sharegpt = [
        {
            "conversations": [{"from": "human", "value": asked(town)}],
            "chosen": {"from": "gpt", "value": good(town)}, "rejected": {"from": "gpt", "value": bad(town)},
        }
        for town in TOWNS
    ]  # fmt: skip
    swift = [{"messages": _chat(town, good(town)), "rejected_response": bad(town)} for town in TOWNS]
    return [
        StatedFile("openai-preference.jsonl", _lines(openai), 6, _taught(), _paired()),
        StatedFile("trl-preference.jsonl", _lines(texts), 6, _taught(), _paired()),
        StatedFile("trl-preference-messages.jsonl", _lines(messages), 6, _taught(), _paired()),
        StatedFile("ultrafeedback.jsonl", _lines(ultra), 6, _taught(), _paired()),
        StatedFile("llamafactory-preference.json", _document(sharegpt), 6, _taught(), _paired()),
        StatedFile("ms-swift-rejected.jsonl", _lines(swift), 6, _taught(), _paired()),
    ]


def _of_trainers() -> list[StatedFile]:
    alpaca = [
        {"instruction": asked(town), "input": f"Report: {town} had a fair.", "output": good(town)} for town in TOWNS
    ]
    dolly = [
        {
            "instruction": asked(town), "context": f"Report: {town} had a fair.", "response": good(town),
            "category": "closed_qa",
        }
        for town in TOWNS
    ]  # fmt: skip
    reported = tuple(((asked(town), f"Report: {town} had a fair."), good(town)) for town in TOWNS)
    reflections = [
        {"instruction": asked(town), "output": bad(town), "reflection": "It was the baker.", "corrected": good(town)}
        for town in TOWNS
    ]
    kto = [
        *({"instruction": asked(town), "output": good(town), "kto_tag": True} for town in TOWNS[:3]),
        *({"instruction": asked(town), "output": bad(town), "kto_tag": False} for town in TOWNS[3:]),
    ]
    labelled = [
        *({"messages": _chat(town, good(town)), "label": True} for town in TOWNS[:3]),
        *({"messages": _chat(town, bad(town)), "label": False} for town in TOWNS[3:]),
    ]
    completions = [{"prompt": asked(town), "completion": good(town)} for town in TOWNS]
    as_messages = [{"prompt": _chat(town), "completion": _said(good(town))} for town in TOWNS]
    questions = [
        {"question": asked(town), "contexts": [f"Report: {town} had a fair."], "answer": good(town)} for town in TOWNS
    ]
    return [
        StatedFile("alpaca.json", _document(alpaca), 6, reported),
        StatedFile("dolly.jsonl", _lines(dolly), 6, reported),
        StatedFile("axolotl-reflection.jsonl", _lines(reflections), 6, _taught(), _paired()),
        StatedFile("llamafactory-kto.json", _document(kto), 6, _taught(TOWNS[:3]), refused=None),
        StatedFile("ms-swift-kto.jsonl", _lines(labelled), 6, _taught(TOWNS[:3]), refused=None),
        StatedFile("mlx-lm-completions.jsonl", _lines(completions), 6, _taught()),
        StatedFile("trl-completions-messages.jsonl", _lines(as_messages), 6, _taught()),
        StatedFile(
            "questions.jsonl", _lines(questions), 6,
            tuple(((f"Report: {town} had a fair.",), good(town)) for town in TOWNS),
        ),
    ]  # fmt: skip


def _exports() -> list[StatedFile]:
    thumbs: list[dict[str, Any]] = [
        *({"town": town, "answer": good(town), "rating": 1} for town in TOWNS[:3]),
        *({"town": town, "answer": bad(town), "rating": -1} for town in TOWNS[3:]),
    ]
    return [
        StatedFile(
            "open-webui-feedback.json", _document([_webui_feedback(each, each["rating"]) for each in thumbs]), 6,
            _taught(TOWNS[:3]),
        ),
        StatedFile(
            "open-webui-chats.json", _document([_webui_chat(each, each["rating"]) for each in thumbs]), 6,
            _taught(TOWNS[:3]),
        ),
        StatedFile(
            "label-studio.json", _document([_annotated(place, town) for place, town in enumerate(TOWNS)]), 6,
            _taught(), _paired(),
        ),
        StatedFile(
            "argilla-rows.jsonl", _lines(argilla_row(town, asked(town), good(town), bad(town)) for town in TOWNS), 6,
            _taught(), _paired(),
        ),
        StatedFile(
            "tensorzero.json", _document({"inferences": [inference(asked(t), good(t), bad(t)) for t in TOWNS]}), 6,
            _taught(), _paired(),
        ),
    ]  # fmt: skip


def _webui_turns(said: Mapping[str, Any], annotation: Mapping[str, Any] | None) -> dict[str, Any]:
    judged = {"annotation": annotation} if annotation else {}
    return {
        "u1": {
            "id": "u1", "parentId": None, "childrenIds": ["a1"], "role": "user", "content": asked(said["town"]),
            "timestamp": 1764000000, "models": ["smollm2:135m"],
        },
        "a1": {
            "id": "a1", "parentId": "u1", "childrenIds": [], "role": "assistant", "content": said["answer"],
            "model": "smollm2:135m", "modelName": "smollm2:135m", "modelIdx": 0, "timestamp": 1764000010, "done": True,
            **judged,
        },
    }  # fmt: skip


def _webui_chat(said: Mapping[str, Any], rating: int) -> dict[str, Any]:
    turns = _webui_turns(said, {"rating": rating})
    name = f"chat-{said['town']}"
    return {
        "id": name, "user_id": "user-1", "title": "The fair",
        "chat": {
            "id": name, "title": "The fair", "models": ["smollm2:135m"], "params": {},
            "history": {"messages": turns, "currentId": "a1"}, "messages": list(turns.values()), "tags": [],
            "timestamp": 1764000000000,
        },
        "updated_at": 1764000020, "created_at": 1764000000, "share_id": None, "archived": False, "pinned": False,
        "meta": {}, "folder_id": None,
    }  # fmt: skip


def _webui_feedback(said: Mapping[str, Any], rating: int) -> dict[str, Any]:
    chat = _webui_chat(said, rating)
    return {
        "id": f"feedback-{said['town']}", "user_id": "user-1", "version": 0, "type": "rating",
        "data": {
            "rating": rating, "model_id": "smollm2:135m", "sibling_model_ids": None, "reason": "", "comment": "",
            "tags": ["general"],
        },
        "meta": {
            "model_id": "smollm2:135m", "message_id": "a1", "message_index": 1, "chat_id": chat["id"],
            "base_models": {"smollm2:135m": None}, "arena": False, "tags": ["general"],
        },
        "snapshot": {"chat": chat}, "created_at": 1764000020, "updated_at": 1764000020,
    }  # fmt: skip


def _annotated(place: int, town: str) -> dict[str, Any]:
    result = [
        {
            "id": f"r{place}", "from_name": "rating", "to_name": "response", "type": "rating", "origin": "manual",
            "value": {"rating": 2},
        },
        {
            "id": f"c{place}", "from_name": "correction", "to_name": "response", "type": "textarea", "origin": "manual",
            "value": {"text": [good(town)]},
        },
    ]  # fmt: skip
    return {
        "id": place, "data": {"prompt": asked(town), "response": bad(town)},
        "annotations": [
            {
                "id": 100 + place, "completed_by": 1, "result": result, "was_cancelled": False, "ground_truth": False,
                "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z", "lead_time": 12.5,
            }
        ],
        "predictions": [], "created_at": "2026-03-01T07:00:00Z", "updated_at": "2026-03-01T08:00:00Z", "project": 1,
    }  # fmt: skip


def _packed() -> list[StatedFile]:
    rows: list[dict[str, Any]] = [
        *({"prompt": asked(town), "output": good(town), "rating": 5, "correction": ""} for town in TOWNS[:3]),
        *({"prompt": asked(town), "output": bad(town), "rating": "", "correction": good(town)} for town in TOWNS[3:]),
    ]
    told = (_taught(), _paired(TOWNS[3:]))
    return [
        StatedFile("table.csv", _cells(rows), 6, *told),
        StatedFile("table.tsv", _cells(rows, separator="\t"), 6, *told),
        StatedFile("table.csv.gz", gzip.compress(_cells(rows)), 6, *told),
        StatedFile("lines.jsonl.gz", gzip.compress(_lines(rows)), 6, *told),
        StatedFile("array.json.gz", gzip.compress(_document(rows)), 6, *told),
        StatedFile("data.json", _document({"data": rows}), 6, *told),
        StatedFile("records.json", _document({"records": rows}), 6, *told),
    ]


def _refused() -> list[StatedFile]:
    verdicts: list[tuple[str, Any]] = [
        ("thumbs", "down"), ("acceptable", False), ("quality", 0), ("feedback", {"score": -1}),
        ("Verdict", "wrong"), ("human_preference", None),
    ]  # fmt: skip
    unknown = [
        {"messages": _chat(town, bad(town)), name: value} for town, (name, value) in zip(TOWNS, verdicts, strict=True)
    ]
    scale = [
        {"prompt": asked(town), "output": bad(town), "rating": rating}
        for town, rating in zip(TOWNS, (3, 4, 5, 7, 9, 10), strict=True)
    ]
    pictures = [
        {"instruction": asked(town), "input": "", "output": good(town), "images": ["fair.jpg"]} for town in TOWNS
    ]
    prefilled = [{"prompt": asked(town), "output": bad(town), "rating": 1, "correction": bad(town)} for town in TOWNS]
    calls = [
        {
            "messages": [
                *_chat(town),
                {
                    "role": "assistant", "content": None,
                    "tool_calls": [{"type": "function", "function": {"name": "fair", "arguments": "{}"}}],
                },
            ]
        }
        for town in TOWNS
    ]  # fmt: skip
    nothing = [{"name": town, "visitors": 12 * len(town)} for town in TOWNS]
    return [
        StatedFile("verdicts-of-any-name.jsonl", _lines(unknown), 6, refused=None),
        StatedFile("out-of-ten.jsonl", _lines(scale), 6, refused=6),
        StatedFile("pictures.json", _document(pictures), 6, refused=6),
        StatedFile("left-as-prefilled.jsonl", _lines(prefilled), 6, refused=None),
        StatedFile("tool-calls.jsonl", _lines(calls), 6, refused=None),
        StatedFile("no-feedback.jsonl", _lines(nothing), 6, refused=6),
    ]
