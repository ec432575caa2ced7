"""The tables of the documentation say what was measured, and only that."""

import re
from pathlib import Path
from typing import Any

import pytest
from bench import results, tables

CELL = {
    "kl_base": 0.34812, "naive": 0.124, "error_feedback": 0.8276, "final": 0.99712, "top1": 1.0, "seconds": 86.6,
    "training_seconds": 301.2, "peers16_kl": 0.2, "peers16_imatrix_kl": 0.15, "final_kl16": 0.0014,
}  # fmt: skip
NIGHT = {
    "examples": 300, "primary": 0.8, "primary_before": 0.0, "json_valid": 0.9, "truncated": 0.0167, "guard": 0.2925,
    "guard_before": 0.261, "state": "promoted", "minutes": 45.0,
}  # fmt: skip
MEASURED: dict[str, Any] = {
    "first_night": {"minutes": NIGHT, "classes": {**NIGHT, "json_valid": None}},
    "growth": {
        "10000": {"night_minutes": 14.32, "dataset_s": 42.6, "dataset_mb": 272, "first_step_s": 521.8},
        "1000": {"night_minutes": 7.64, "dataset_s": 27.8, "dataset_mb": 226, "first_step_s": 230.4},
    },
    "replay": {"dialects": 6, "requests": 34, "different": 0},
    "overhead": {
        "first_byte_ms_p50": 0.4, "first_byte_ms_p99": 1.1, "line_ms_p50": 0.03, "line_ms_p99": 0.5, "streams": 64,
        "requests": 10_000, "rss_growth_mb": 0.2, "daemon_mb": 43.0, "capture_mb": 16.0,
        "idle_together_mb": 51.5,
    },
    "kills": {
        "kills": 200, "of_daemon": 40, "answers": 12_345,
        "lost": 0, "missing": 1, "half_written": 2, "counted_wrong": 3,
    },
    "machine": "two cores",
    "retention": {"Q4_K_M": {"0.25": CELL}, "Q8_0": {"0.25": {"kl_base": 0.1, "naive": 0.927}}},
    "merge_speed": {
        "1.1B": {
            "ours_plain": {"seconds": 12.34, "rss_mb": 900.4, "written_mb": 650.2},
            "peers": {"seconds": 83.2, "rss_mb": 2900.0, "written_mb": 5400.0, "stages": {}},
        }
    },
    "quants": {"Q4_K": {"tensors": 1234, "byte_identical": 1234, "values_identical": 1234}},
    "library": {
        "share_of_pulls": 0.889, "share_of_pulls_without_experts": 0.916,
        "rows": {
            "llama3.1": {"pulls_millions": 117, "architecture": "llama", "answers": True, "trainable": True},
            "bert": {"pulls_millions": 13, "architecture": "bert", "answers": False, "trainable": False},
            "gpt-oss": {"pulls_millions": 11, "architecture": "gptoss", "answers": True, "trainable": False,
                        "why_not": "it has experts; that is much"},
        },
    },
    "opening": {"vocabularies": {"llama3": {"tokens": 128_256, "seconds": 0.071, "mb": 9.6}}},
    "architectures": {"qwen3": {"rms": 0.00021, "top1": 1.0}},
    "training": {
        "stock_tok_s": 130.0, "ours_tok_s": 325.0, "ours_cached_tok_s": 455.0, "stock_wheel_tok_s": 3.25, "epochs": 3,
        "stock_gb": 1.9, "ours_gb": 0.8, "max_loss_diff": 0.0012,
        "seconds_one_epoch": {"stock": 90.0, "ours": 40.0}, "seconds_to_same_loss": {"stock": 270.0, "ours": 100.0},
    },
    "retrain": {"first_s": 100.0, "second_s": 61.0, "examples": 20, "new": 2},
    "dpo": {"orca": {"pairs": 90, "held_out": 30, "accuracy": [0.0, 0.8], "margin": [0.0, 0.21],
                     "likelier": [0.5, 0.7]}},
    "exact_weights": {"Q4_0": {"max_logit_diff": 1.2e-5, "max_logit": 30.0, "file_mb": 90, "plain_mb": 1760}},
    "resume": {"kills": 20, "steps": 180, "steps_done_again": 3, "max_diff": 0.0, "max_loss_diff": 0.0},
    "distributed": {
        "max_loss_diff": 2e-6, "losses": [1.5, 0.25], "one_s": 20.0, "two_s": 31.5, "steps": 12, "batch_size": 4,
    },
    "coverage": {
        "nominal": 0.95, "measured": 0.96, "simulations": 1000, "cases": 100,
        "yes_or_no": 0.956, "scores": 0.968, "clustered": 0.957,
    },
    "false_promotion": {"rate": 0.025, "pairs": 400, "cases": 100},
    "power": {"power": 0.8, "tries": 200, "50": 0.25, "100": 0.15, "200": None},
    "skewed": {"rate": 0.013, "worst": "5 % lose 0.95, 100 cases", "worlds": 99, "simulations": 1000},
    "skewed_drift": {"true_quality": -0.00012, "nights": 50, "seasons": 40},
    "needed": {"worst_error": 0.12, "power": 0.8},
    "wnut17": {"base_f1": 0.01, "tuned_f1": 0.21, "interval": [0.1, 0.3], "cases": 200, "decision": "promote"},
    "recipe": [
        {"set": "b", "examples": 40, "epochs": 3, "rate": 0.001, "first": 1.127, "best": 0.1289},
        {"set": "a", "examples": 40, "epochs": 8, "rate": 0.001, "first": 2.0, "best": 1.5},
    ],
    "cache": {"first_s": 200.0, "second_s": 9.5},
    "poison_fresh": {
        "worlds": [
            {"applications": 2, "each": 10, "poison": 60, "harm": 0.3, "promoted": 0, "rolled_back": 1, "runs": 20},
        ],
    },
}  # fmt: skip


def page(*names: str) -> str:
    return "# Head\n\n" + "".join(f"Before {n}.\n\n<!-- table: {n} -->\n<!-- end -->\n\nAfter.\n" for n in names)


def table(name: str, measured: dict[str, Any] = MEASURED) -> list[list[str]]:
    """The cells of the rows that are written for a name, the header first."""
    lines = [line for line in tables.fill(page(name), measured).splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines]


def test_a_row_for_every_training_in_order() -> None:
    _, first, second = table("recipe")
    assert first == ["a", "40", "8", "0.001", "2.000", "1.500"]
    assert second[0] == "b"


def test_a_row_for_every_quantisation_and_scale() -> None:
    header, mixed, eight = table("retention")
    assert header[:2] == ["base", "adapter's scale"]
    assert mixed == ["Q4_K_M", "0.25", "0.348", "12.4 %", "82.8 %", "99.7 %", "100.0 %", "87 s", "301 s"]
    assert eight == ["Q8_0", "0.25", "0.1", "92.7 %", *["–"] * 5]


def test_only_what_was_compared_stands_beside_the_peers() -> None:
    assert table("peers")[1:] == [["Q4_K_M", "0.25", "0.2", "0.15", "0.0014"]]


def test_costs_by_size_and_side() -> None:
    assert table("merge_speed")[1:] == [
        ["1.1B", "ours, rounding only", "12", "900", "650"],
        ["1.1B", "mlx-lm and llama.cpp", "83", "2 900", "5 400"],
    ]


def test_quants_and_architectures() -> None:
    assert table("quants")[1:] == [["Q4_K", "1 234", "1 234", "1 234"]]
    assert table("architectures")[1:] == [["qwen3", "0.00021", "100.0 %"]]
    assert table("opening")[1:] == [["llama3", "128 256", "0.071", "9.6"]]


def test_the_library_without_what_gives_no_answers() -> None:
    assert table("library")[1:] == [
        ["llama3.1", "llama", "yes", "117"],
        ["gpt-oss", "gptoss", "no: it has experts", "11"],
        ["all of these", "", "", "88.9 %"],
        ["all but mixtures of experts", "", "", "91.6 %"],
    ]


def test_a_row_for_every_world_of_a_poisoner() -> None:
    assert table("poison_fresh")[1:] == [["1 of 2 applications: 60; 10", "0.3", "0", "1", "20"]]


def test_first_nights_and_what_capture_costs() -> None:
    shown = ["300", "0.000 → 0.800", "90.0 %", "1.7 %", "0.261 → 0.292", "45"]
    assert table("first_nights")[1:] == [
        ["minutes", "promoted", *shown],
        ["classes", "promoted", *shown[:2], "–", *shown[3:]],
    ]
    same, _, line, growth, idle, kills = table("capture")[1:]
    assert same[1] == "0 of 34, in 6 dialects"
    assert line == ["added to each line of 64 streams at once, ms: median, 99th percentile", "0.03, 0.5"]
    assert (growth[1], idle[1]) == ("0.2", "43, 16, 51.5")
    assert kills[0].startswith("of 12 345 answers in 200 kills, 40 of the daemon")
    assert kills[1] == "0, 1, 2, 3"


def test_how_nights_grow_from_few_records_to_many() -> None:
    few, many = table("growth")[1:]
    assert few[0] == "1 000"
    assert many == ["10 000", "14.3", "42.6", "272", "522"]


def test_writing_twice_changes_nothing_more() -> None:
    once = tables.fill(page(*tables.TABLES), MEASURED)
    assert tables.fill(once, MEASURED) == once
    assert re.sub(r"\|.*\n", "", once) == page(*tables.TABLES), "nothing but rows was added"


def test_new_numbers_replace_the_old() -> None:
    newer = {"quants": {"Q8_0": {"tensors": 7, "byte_identical": 7, "values_identical": 7}}}
    assert tables.fill(tables.fill(page("quants"), MEASURED), newer) == tables.fill(page("quants"), newer)


def test_a_table_that_was_not_measured_stays_as_it_is() -> None:
    written = tables.fill(page(*tables.TABLES), MEASURED)
    assert tables.fill(written, {"machine": "two cores"}) == written


def test_a_table_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="there is no table 'sped'"):
        tables.fill(page("sped"), MEASURED)


def test_the_command_writes_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, measured = tmp_path / "page.md", tmp_path / "results.json"
    monkeypatch.setattr(tables, "PAGES", {written: (measured,)})
    results.write(MEASURED, measured)
    written.write_text(page(*tables.TABLES))
    tables.main()
    assert written.read_text() == tables.fill(page(*tables.TABLES), MEASURED)


def test_the_documentation_has_a_place_for_every_table() -> None:
    texts = [path.read_text(encoding="utf-8") for path in tables.PAGES]
    found = [name for text in texts for name in re.findall(r"<!-- table: (\w+) -->\n", text)]
    assert sorted(found) == sorted(tables.TABLES)
    assert all("<!-- end -->" in text for text in texts)


def test_the_figures_of_the_simulations_and_of_the_entities() -> None:
    held, _, _, noise, worst, drift, fifty, hundred, told = table("simulations")[1:]
    assert held == ["the 95.0 % interval holds what is true: yes or no", "1 000 simulations of 100 cases", "95.6 %"]
    assert noise == ["of two equal models one is promoted", "400 pairs, 100 cases", "2.5 %"]
    assert worst[1:] == ["99 worlds, 1 000 simulations each", "1.3 %"]
    assert drift[1:] == ["50 nights, 40 seasons", "-0.0001"]
    assert told[1:] == ["a power of 80.0 %", "12.0 %"]
    assert fifty == ["the least gain that is promoted in 80.0 % or more", "50 cases, 200 tries", "0.25"]
    assert hundred[1] == "100 cases, 200 tries", "there is no row for what was not reached"
    assert ["95 % interval of the difference", "+0.100 to +0.300"] in table("wnut17")


def test_the_figures_of_training_are_beside_those_of_mlx_lm() -> None:
    rows = table("training")[1:]
    assert rows[0] == ["mlx-lm", "130", "1x"]
    assert rows[1] == ["ours, 3 epochs, nothing kept before", "325", "2.5x"]
    assert ["seconds to the loss after one epoch, mlx-lm / ours, nothing kept before", "90 / 40"] in [
        r[:2] for r in rows
    ]
    assert rows[-1][:2] == ["seconds, first training / with 2 new of 22 examples", "100 / 61"]
    assert table("dpo")[1:] == [["orca", "90", "30", "50.0 % → 70.0 %", "80.0 %", "0.21"]]


def test_the_limits_of_training_are_said() -> None:
    assert table("exact_weights")[1:] == [["Q4_0", "1.2e-05", "30", "90", "1 760", "–"]]
    assert table("resume")[1:][-2:] == [
        ["largest difference of a weight at the end", "0"], ["largest difference of a step's loss", "0"],
    ]  # fmt: skip
    assert ["loss at the first and the last step", "1.5 → 0.25"] in table("distributed")
