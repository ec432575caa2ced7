"""Answers to frozen cases as an evaluation leaves them in a version's folder."""

import json
from collections.abc import Mapping, Sequence

from adapterd.formats.evaluation import ANSWERS, FROZEN
from adapterd.home import Home, make_private

Case = tuple[str, str, Mapping[str, str]]
"""What is asked, the reference, and the answer of each role."""


def keep_answers(home: Home, model: str, version: str, cases: Sequence[Case]) -> None:
    """Keep these of a version."""
    folder = make_private(home.version(model, version) / ANSWERS)
    lines = [
        {
            "id": f"id of {prompt}", "messages": [{"role": "user", "content": prompt}], "reference": reference,
            "source": None, "keywords": [], "key_facts": [],
            "answers": {role: {"text": text} for role, text in answers.items()},
        }
        for prompt, reference, answers in cases
    ]  # fmt: skip
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    (folder / FROZEN).write_text(text, encoding="utf-8")
