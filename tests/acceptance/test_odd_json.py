"""One record with odd JSON among good ones: the run ends with a verdict, and its figures and its report can be read."""

import json
from pathlib import Path

from tests.acceptance.conftest import begin
from tests.acceptance.person import MODEL, Person

ODD = {
    "a number whose square is no float": '{"price": 1e200}',
    "a number of 400 digits": f'{{"price": {"9" * 400}}}',
    "half of a surrogate pair": '{"price": 3, "\\ud800": 1}',
    "a number that is no float": '{"price": 1e400}',
    "an article of words": json.dumps({"text": " ".join(f"word{number % 977}" for number in range(30_000))}),
    "fields that nobody else has": json.dumps({f"field {number}": number for number in range(20)}),
    "a name that means something elsewhere": '{"price": 7, "$\\\\x <b>[/b]": 2}',
}
GOOD = 30


def records() -> list[str]:
    """The odd ones are the newest, so that they are asked whichever part of the newest is."""
    answers = [json.dumps({"price": number * 7 % 50}) for number in range(GOOD)] + list(ODD.values())
    said = [
        {
            "prompt": f"What does article {number} say of the price of a {chr(97 + number % 26) * 4}?",
            "output": "x",
            "correction": answer,
            "created_at": f"2026-01-01T00:00:{number:02d}+00:00",
        }
        for number, answer in enumerate(answers)
    ]
    return [json.dumps(record) + "\n" for record in said]


def refused(constant: str) -> None:
    raise AssertionError(f"{constant} in evaluation.json")


def test_odd_records_do_not_stop_a_run(stranger: Person, tiny_path: Path, tmp_path: Path) -> None:
    changes = ("dataset.evaluation_share=0.4", "dataset.evaluation_max=14")
    person = begin(stranger, tiny_path, "--runtime", "embedded", changes=changes)
    feedback = tmp_path / "feedback.jsonl"
    feedback.write_text("".join(records()), encoding="utf-8")
    assert person.run("feedback", "import", feedback).code == 0
    said = person.run("retrain")
    assert said.code == 0, said
    judged = json.loads(
        (person.home.version(MODEL, "1.0.0") / "evaluation.json").read_text("utf-8"), parse_constant=refused
    )
    assert judged["decision"] in ("promote", "hold", "not proven")
    assert judged["scores"]["candidate"]["unmeasured"] == {}
    assert "mae.price" in judged["scores"]["candidate"]["metrics"]
    assert Path(person.json("report", "1.0.0")["report"]).stat().st_size > 10_000
