"""The tables of the documentation, written from what was measured: `python -m bench.tables`."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import capture, feedback, first_night, gates, results

DOCS = Path(__file__).parent.parent / "docs"
TEACHERS = Path(__file__).parent / "teachers.json"
SUGGESTED_TAGS = Path(__file__).parent / "suggested_tags.json"
PAGES = {
    DOCS / "merging.md": (results.FILE,),
    DOCS / "training.md": (results.FILE, first_night.FILE),
    DOCS / "evaluation.md": (gates.FILE,),
    DOCS / "feedback.md": (feedback.FILE,),
    DOCS / "robustness.md": (gates.FILE,),
    DOCS / "capture.md": (capture.FILE,),
    DOCS / "page.md": (capture.FILE, SUGGESTED_TAGS),
    DOCS / "teachers.md": (TEACHERS,),
    DOCS / "judges.md": (TEACHERS,),
}
"""Each page, and the files in which its figures are kept."""
WHO = {
    "ours_plain": "ours, rounding only",
    "ours": "ours, GPTQ",
    "ours_distilled": "ours, distilled",
    "peers": "mlx-lm and llama.cpp",
}
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_MISSING = "–"

Measured = Mapping[str, Any]
Row = tuple[str, ...]


def fill(page: str, measured: Measured) -> str:
    """The page with each table that was measured put anew between `<!-- table: NAME -->` and `<!-- end -->`.

    A table that was not measured stays as it is. Raises ValueError for a name that is none of `TABLES`.
    """

    def table(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        if name not in TABLES:
            raise ValueError(f"there is no table {name!r}, only {', '.join(TABLES)}")
        keys, render = TABLES[name]
        whole = all(key in measured for key in keys)
        return f"{begin}{render(*(measured[key] for key in keys))}{end}" if whole else found[0]

    return _MARKED.sub(table, page)


def _retention(kinds: Measured) -> str:
    header = (
        "base", "adapter's scale", "its effect (KL)", "retention with rounding", "with GPTQ",
        "with distillation", "same most likely token", "merge", "training",
    )  # fmt: skip
    columns = (
        ("kl_base", _decimal), ("naive", _percent), ("error_feedback", _percent), ("final", _percent),
        ("top1", _percent), ("seconds", _seconds), ("training_seconds", _seconds),
    )  # fmt: skip
    return _table(header, _scaled(kinds, columns), names=1)


def _peers(kinds: Measured) -> str:
    header = ("base", "adapter's scale", "16-bit merge, quantised", "with an importance matrix", "ours")
    columns = (("peers16_kl", _decimal), ("peers16_imatrix_kl", _decimal), ("final_kl16", _decimal))
    return _table(header, _scaled(kinds, columns), names=1)


def _merge_speed(sizes: Measured) -> str:
    header = ("parameters", "who", "seconds", "memory, MB", "written, MB")
    rows = (
        (size, words, *(_cell(costs[who], key, _whole) for key in ("seconds", "rss_mb", "written_mb")))
        for size, costs in sizes.items()
        for who, words in WHO.items()
        if who in costs
    )
    return _table(header, rows, names=2)


def _quants(types: Measured) -> str:
    header = ("type", "tensors", "same bytes", "same values")
    keys = ("tensors", "byte_identical", "values_identical")
    rows = ((name, *(_cell(counts, key, _whole) for key in keys)) for name, counts in types.items())
    return _table(header, rows, names=1)


def _opening(found: Measured) -> str:
    header = ("vocabulary of", "tokens", "seconds", "memory, MB")
    columns = (("tokens", _whole), ("seconds", _decimal), ("mb", _decimal))
    rows = ((name, *(_cell(each, *column) for column in columns)) for name, each in found["vocabularies"].items())
    return _table(header, rows, names=1)


def _architectures(names: Measured) -> str:
    header = ("architecture", "difference of logits, in standard deviations", "same first choice")
    columns = (("rms", _decimal), ("top1", _percent))
    rows = ((name, *(_cell(found, *column) for column in columns)) for name, found in names.items())
    return _table(header, rows, names=1)


def _library(found: Measured) -> str:
    header = ("model", "architecture", "can be trained", "pulls, millions")
    rows = (
        (name, row["architecture"], "yes" if row["trainable"] else f"no: {row['why_not'].partition(';')[0]}",
         _whole(row["pulls_millions"]))
        for name, row in found["rows"].items()
        if row["answers"]
    )  # fmt: skip
    shares = (("all of these", "share_of_pulls"), ("all but mixtures of experts", "share_of_pulls_without_experts"))
    return _table(header, [*rows, *((words, "", "", _percent(found[key])) for words, key in shares)], names=3)


def _simulations(
    coverage: Measured, false_promotion: Measured, skewed: Measured, drift: Measured, power: Measured, needed: Measured
) -> str:
    of = f"{_whole(coverage['simulations'])} simulations of {coverage['cases']} cases"
    kinds = {"yes_or_no": "yes or no", "scores": "scores", "clustered": "scores, four of each source"}
    held = [
        (f"the {_percent(coverage['nominal'])} interval holds what is true: {words}", of, _percent(coverage[kind]))
        for kind, words in kinds.items()
    ]
    pairs = f"{false_promotion['pairs']} pairs, {false_promotion['cases']} cases"
    noise = ("of two equal models one is promoted", pairs, _percent(false_promotion["rate"]))
    worlds = f"{skewed['worlds']} worlds, {_whole(skewed['simulations'])} simulations each"
    season = f"{drift['nights']} nights, {drift['seasons']} seasons"
    skew = [
        ("a candidate that is not better is promoted, in the worst of the worlds", worlds, _percent(skewed["rate"])),
        ("what live is worth after nights of candidates that are 0.003 worse", season, f"{drift['true_quality']:+.4f}"),
    ]
    share, tries = _percent(power["power"]), f"{power['tries']} tries"
    gains = [
        (f"the least gain that is promoted in {share} or more", f"{cases} cases, {tries}", _decimal(gain))
        for cases, gain in power.items()
        if cases.isdigit() and gain is not None
    ]
    told = (
        "the number of cases that a verdict names is off by at most",
        f"a power of {_percent(needed['power'])}",
        _percent(needed["worst_error"]),
    )
    return _table(("what", "of", "measured"), [*held, noise, *skew, *gains, told], names=2)


def _wnut17(found: Measured, cache: Measured) -> str:
    low, high = found["interval"]
    rows = (
        ("entity F1 of the base", _decimal(found["base_f1"])),
        ("entity F1 after training", _decimal(found["tuned_f1"])),
        ("95 % interval of the difference", f"{low:+.3f} to {high:+.3f}"),
        ("verdict", found["decision"]),
        ("seconds to judge it", _decimal(cache["first_s"])),
        ("seconds to judge it again", _decimal(cache["second_s"])),
    )
    return _table((f"{found['cases']} cases", "measured"), rows, names=1)


def _training(speed: Measured, again: Measured) -> str:
    stock = speed["stock_tok_s"]
    speeds = (
        ("mlx-lm", stock),
        (f"ours, {speed['epochs']} epochs, nothing kept before", speed["ours_tok_s"]),
        ("ours, states kept", speed["ours_cached_tok_s"]),
        ("mlx-lm as its wheel comes on Linux, without a fast BLAS", speed["stock_wheel_tok_s"]),
    )
    rows = [(who, _decimal(rate), f"{rate / stock:.2g}x") for who, rate in speeds]
    rows += [
        (
            f"seconds to the loss after {after}, mlx-lm / ours, nothing kept before",
            f"{_decimal(seconds['stock'])} / {_decimal(seconds['ours'])}",
            "",
        )
        for after, seconds in (("one epoch", speed["seconds_one_epoch"]), ("all", speed["seconds_to_same_loss"]))
    ]
    rows += [
        ("memory, mlx-lm / ours, GB", f"{speed['stock_gb']} / {speed['ours_gb']}", ""),
        ("largest difference of the losses", _decimal(speed["max_loss_diff"]), ""),
        (f"seconds, first training / with {again['new']} new of {again['examples'] + again['new']} examples",
         f"{_decimal(again['first_s'])} / {_decimal(again['second_s'])}", ""),
    ]  # fmt: skip
    return _table(("tokens per second", "measured", "to mlx-lm"), rows, names=1)


def _recipe(trainings: Sequence[Measured]) -> str:
    rows = (
        (found["set"], _whole(found["examples"]), _whole(found["epochs"]), f"{found['rate']:g}",
         f"{found['first']:.3f}", f"{found['best']:.3f}")
        for found in sorted(trainings, key=lambda each: [each[name] for name in ("set", "examples", "epochs", "rate")])
    )  # fmt: skip
    return _table(("examples", "how many", "epochs", "learning rate", "before", "best"), rows, names=1)


def _dpo(sets: Measured) -> str:
    header = (
        "pairs", "trained on", "held out", "better answer likelier, before → after", "moved towards it", "margin",
    )  # fmt: skip
    rows = (
        (name, _whole(found["pairs"]), _whole(found["held_out"]), " → ".join(map(_percent, found["likelier"])),
         _percent(found["accuracy"][-1]), _decimal(found["margin"][-1]))
        for name, found in sets.items()
    )  # fmt: skip
    return _table(header, rows, names=1)


def _exact_weights(types: Measured) -> str:
    header = ("base", "largest difference of a logit", "largest logit", "file, MB", "dequantised, MB", "quantised, MB")
    columns = (
        ("max_logit_diff", _decimal), ("max_logit", _decimal), ("file_mb", _whole), ("plain_mb", _whole),
        ("packed_mb", _whole),
    )  # fmt: skip
    rows = ((name, *(_cell(found, *column) for column in columns)) for name, found in types.items())
    return _table(header, rows, names=1)


def _size(sizes: Measured) -> str:
    header = ("base", "stage", "peak, GB", "estimated, GB", "seconds", "written, GB")
    columns = (("peak_gb", _decimal), ("estimated_gb", _decimal), ("seconds", _whole), ("written_gb", _decimal))
    rows = (
        (name, stage, *(_cell(found, *column) for column in columns))
        for name, stages in sizes.items()
        for stage, found in stages.items()
        if stage != "of"
    )
    return _table(header, rows, names=2)


def _macs(shapes: Measured) -> str:
    gigabytes = list(next(iter(shapes.values()))["macs"])
    header = ("Q4_K_M", *(f"{size} GB" for size in gigabytes), "training, GB", "merging, GB", "evaluation, GB")
    columns = (("training_gb", _decimal), ("merging_gb", _decimal), ("evaluation_gb", _decimal))
    rows = (
        (name, *(found["macs"][size] for size in gigabytes), *(_cell(found, *column) for column in columns))
        for name, found in shapes.items()
    )
    return _table(header, rows, names=1 + len(gigabytes))


def _resume(found: Measured) -> str:
    rows = (
        ("kills at random moments", _whole(found["kills"])),
        ("steps of the undisturbed training", _whole(found["steps"])),
        ("steps done again", _whole(found["steps_done_again"])),
        ("largest difference of a weight at the end", _decimal(found["max_diff"])),
        ("largest difference of a step's loss", _decimal(found["max_loss_diff"])),
    )
    return _table(("killed and gone on", "measured"), rows, names=1)


def _distributed(found: Measured) -> str:
    rows = (
        ("largest difference of a step's loss", _decimal(found["max_loss_diff"])),
        ("loss at the first and the last step", " → ".join(map(_decimal, found["losses"]))),
        ("seconds, one process", _decimal(found["one_s"])),
        ("seconds, two", _decimal(found["two_s"])),
    )
    return _table((f"{found['steps']} steps of {found['batch_size']} examples", "measured"), rows, names=1)


def _feedback(ingest: Measured, formats: Measured, fuzz: Measured) -> str:
    rows = (
        ("records taken in per second", f"{_whole(ingest['records'])} of {len(ingest['formats'])} formats",
         _whole(ingest["records_per_s"])),
        ("records taken in per second of one processor", "the same", _whole(ingest["records_per_cpu_s"])),
        ("memory of that, MB", "the same", _memory(ingest)),
        ("files that teach anything else than is stated", f"{formats['files']} files, {formats['records']} records",
         _whole(formats["wrong"])),
        ("files that made the intake fail", f"{_whole(fuzz['files'])} odd files", _whole(fuzz["crashes"])),
        ("pieces without an account", f"{_whole(fuzz['pieces'])} pieces", _whole(fuzz["lost"])),
        ("answers taught that a verdict of any name called bad", "the same", _whole(fuzz["imitated"])),
    )  # fmt: skip
    return _table(("what", "of", "measured"), rows, names=2)


def _memory(ingest: Measured) -> str:
    """Of the process that stores, and of the one that reads where that is another one."""
    return " + ".join(_whole(ingest[key]) for key in ("rss_mb", "reader_rss_mb") if ingest.get(key))


def _verdicts(found: Measured) -> str:
    kinds = {
        "good": "the demo's first adapter", "nearly_the_same": "the same again, 2 % weaker",
        "poisoned": "trained on 400 more corrections that break the JSON",
    }  # fmt: skip
    rows = ((words, found[kind]["reason"]) for kind, words in kinds.items())
    return _table(("candidate", "verdict"), rows, names=2)


def _likelihood(found: Measured) -> str:
    header = ("differences between", "cases", "correlation", "variance kept (95 % interval)", "with earlier cases only")
    rows = (
        (name, _whole(found["cases"]), _decimal(each["correlation"]),
         f"{_decimal(each['variance_kept'])} ({_decimal(each['low'])} to {_decimal(each['high'])})",
         _decimal(each["predictable"]))
        for name, each in found["pairs"].items()
    )  # fmt: skip
    return _table(header, rows, names=1)


def _poison_fresh(found: Measured) -> str:
    header = (
        "fresh cases a night of the poisoner; of each other",
        "what others lose",
        "promoted",
        "taken back",
        "runs",
    )
    rows = (
        (
            f"1 of {world['applications']} applications: {world['poison']}; {world['each']}", f"{world['harm']:g}",
            _whole(world["promoted"]), _whole(world["rolled_back"]), _whole(world["runs"]),
        )
        for world in found["worlds"]
    )  # fmt: skip
    return _table(header, rows, names=1)


def _forgetting(found: Measured) -> str:
    header = ("truly passes less by", f"{found['items']} items: held", "56 items: held")
    former = found["held_of_56"]
    rows = ((f"{float(drop):g}", f"{share:.3f}", f"{former[drop]:.3f}") for drop, share in found["held"].items())
    return _table(header, rows, names=1)


def _first_nights(sets: Measured) -> str:
    header = (
        "set", "verdict", "examples", "primary metric, base → version", "valid JSON", "cut",
        "guard set, base → version", "minutes",
    )  # fmt: skip
    rows = (
        (
            name, found["state"], _whole(found["examples"]),
            f"{found['primary_before']:.3f} → {found['primary']:.3f}", _cell(found, "json_valid", _percent),
            _cell(found, "truncated", _percent), f"{found['guard_before']:.3f} → {found['guard']:.3f}",
            _decimal(found["minutes"]),
        )
        for name, found in sets.items()
    )  # fmt: skip
    return _table(header, rows, names=2)


def _peers_night(sets: Measured) -> str:
    header = ("set", "who", "learning rate", "primary metric", "valid JSON", "cut", "guard set")
    columns = (("json_valid", _percent), ("truncated", _percent), ("guard", _decimal))
    rows = (
        (name, who, f"{found['learning_rate']:g}" if "learning_rate" in found else _MISSING,
         _decimal(found["primary"]), *(_cell(found, *column) for column in columns))
        for name, everybody in sets.items()
        for who, found in everybody.items()
    )  # fmt: skip
    return _table(header, rows, names=3)


def _growth(amounts: Measured) -> str:
    header = ("records", "minutes of the night", "dataset, s", "memory of that, MB", "until the first step, s")
    columns = (("night_minutes", _decimal), ("dataset_s", _decimal), ("dataset_mb", _whole), ("first_step_s", _decimal))
    rows = (
        (_whole(count), *(_cell(amounts[str(count)], *column) for column in columns))
        for count in sorted(map(int, amounts))
    )
    return _table(header, rows, names=1)


def _second_nights(sets: Measured) -> str:
    header = ("set", "examples", "version", "verdict", "primary metric of it and of live", "minutes")
    rows = (
        (name, _whole(night["examples"]), night["version"], night["state"],
         ", ".join(_decimal(night["primary"][who]) for who in ("candidate", "live") if who in night["primary"]),
         _decimal(night["minutes"]))
        for name, nights in sets.items()
        for night in nights.values()
    )  # fmt: skip
    return _table(header, rows, names=1)


def _ablation(sets: Measured) -> str:
    header = ("set", "recipe", "seeds", "primary metric", "cut", "guard set", "training, times that of all")
    rows = []
    for name, parts in sets.items():
        usual = _mean(parts["all"], "training_s")
        for part, runs in parts.items():
            figures = (_decimal(_mean(runs, key)) for key in ("primary", "truncated", "guard"))
            rows.append((name, part, str(len(runs)), *figures, _decimal(_mean(runs, "training_s") / usual)))
    return _table(header, rows, names=2)


def _mean(runs: Measured, key: str) -> float:
    return float(sum(run[key] for run in runs.values())) / len(runs)


def _capture(replay: Measured, overhead: Measured, kills: Measured) -> str:
    rows = (
        ("requests answered otherwise through it than around it",
         f"{replay['different']} of {replay['requests']}, in {replay['dialects']} dialects"),
        ("added to the first byte, ms: median, 99th percentile",
         f"{overhead['first_byte_ms_p50']:g}, {overhead['first_byte_ms_p99']:g}"),
        (f"added to each line of {overhead['streams']} streams at once, ms: median, 99th percentile",
         f"{overhead['line_ms_p50']:g}, {overhead['line_ms_p99']:g}"),
        (f"growth of its memory over {_whole(overhead['requests'])} requests, MB", f"{overhead['rss_growth_mb']:g}"),
        ("memory when nothing happens, MB: the daemon, capture, both (pages that they share count once)",
         f"{overhead['daemon_mb']:g}, {overhead['capture_mb']:g}, {overhead['idle_together_mb']:g}"),
        (f"of {_whole(kills['answers'])} answers in {kills['kills']} kills, {kills['of_daemon']} of the daemon and the "
         "others of the recorder: lost, not recorded, recorded in part, counted wrongly",
         ", ".join(str(kills[name]) for name in ("lost", "missing", "half_written", "counted_wrong"))),
    )  # fmt: skip
    return _table(("what", "measured"), rows, names=1)


def _pages(pages: Measured) -> str:
    rows = (
        (f"slowest page of {_whole(pages['records'])} captures and as many records, ms", f"{pages['slowest_ms']:g}"),
        ("findings of axe on all pages, light and dark", str(pages["axe_findings"])),
        ("complaints in the browser's console, requests to anywhere else",
         f"{pages['console_errors']}, {pages['outside_requests']}"),
    )  # fmt: skip
    return _table(("what", "measured"), rows, names=1)


def _teacher_filters(filters: Measured) -> str:
    rows = (
        (f"caught of {_whole(filters['planted'])} planted faults", _percent(filters["caught"])),
        (f"lost of {_whole(filters['good'])} good examples in {filters['languages']} languages",
         _percent(filters["good_lost"])),
        *((f"caught: {kind}", _percent(share)) for kind, share in filters["by_kind"].items() if share < 1),
        *((f"lost: {kind}", _percent(share)) for kind, share in filters["lost_by_kind"].items() if share > 0),
    )  # fmt: skip
    return _table(("what", "measured"), rows, names=1)


def _teacher_speed(speed: Measured) -> str:
    killed, waiting = speed["killed"], speed["waiting"]
    rows = (
        (f"pairs a minute on {speed['cores']} cores, SmolLM2 in Ollama: one at a time, {speed['parallel']} at once",
         f"{speed['pairs_per_minute']['one_at_a_time']}, {speed['pairs_per_minute']['parallel']}"),
        (f"the same of a server that only waits, {waiting['slowest_s']:g} s at most",
         f"{waiting['pairs_per_minute']['one_at_a_time']}, {waiting['pairs_per_minute']['parallel']}"),
        (f"of {_whole(killed['requests'])} requests in {killed['kills']} kills: asked again though answered, lost, "
         "asked again as they were on their way",
         f"{killed['asked_twice']}, {killed['lost']}, {killed['in_flight']}"),
    )  # fmt: skip
    return _table(("what", "measured"), rows, names=1)


def _teacher_five(five: Measured) -> str:
    of, alone, taught = five["tutor"], five["alone"], five["with_teacher"]
    header = ("learned from", "field_f1", "valid JSON", "guard set", "decision", "minutes")
    cases, kept = alone["cases"], five["yield"]
    rows = (
        (name, *(_decimal(each[key]) for key in ("field_f1", "json_valid", "guard")), each["state"],
         _decimal(each["minutes"]))
        for name, each in (
            ("five corrections", alone),
            (f"the same, and {kept['kept']} of {kept['made']} answers of a teacher with {of['field_f1']:.2f}", taught),
        )
    )  # fmt: skip
    return _table((f"on {cases} frozen cases of people, {header[0]}", *header[1:]), rows, names=1)


def _judges(judge: Measured) -> str:
    header = ("judge", "coverage in the worst world", "of the judge alone", "votes saved")
    rows = (
        (name.replace("_", " "), *(_percent(found[key]) for key in ("coverage", "judge_alone_coverage", "votes_saved")))
        for name, found in judge["judges"].items()
    )
    return _table(header, rows, names=1)


def _judge_looks(looks: Measured) -> str:
    gain, votes = "0.2", ("60", "120", "240")
    header = (
        "judge", "passes at any look: true share 50 %, asked 50 %", "65 %, asked 65 %",
        *(f"60 %, asked 50 %, by {each} votes" for each in votes), "people alone by 240",
    )  # fmt: skip
    rows = []
    for name, found in looks["judges"].items():
        by_votes = looks["power"].get(name, {}).get(gain)
        power = [_percent(by_votes[each]["looks"]) if by_votes else "" for each in votes]
        alone = _percent(by_votes[votes[-1]]["people"]) if by_votes else ""
        rows.append((name.replace("_", " "), _percent(found["0"]), _percent(found["0.3"]), *power, alone))
    return _table(header, rows, names=1)


def _suggested_tags(found: Measured) -> str:
    header = ("answers", "good", "suggested of these", "with something invented", "suggested of these", "not looked at")
    names = {"news": "the demo's news", "texts": "texts in eight languages"}
    rows = (
        (
            names[name],
            *(_whole(of[kind][key]) for kind in ("good", "faulty") for key in ("answers", "suggested")),
            _whole(of["without_material"]),
        )
        for name, of in found.items()
    )
    return _table(header, rows, names=1)


def _review_queue(worlds: Measured) -> str:
    header = (
        "world", "the interval holds", "mean error of the share", "failures per answer by chance", "directed", "times"
    )  # fmt: skip
    rows = (
        (
            name, _percent(found["coverage"]), f"{found['bias']:+.4f}", _percent(found["failures_per_random"]),
            _percent(found["failures_per_directed"]), f"{found['times']:.1f}",
        )
        for name, found in worlds.items()
    )  # fmt: skip
    return _table(header, rows, names=1)


TABLES: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "retention": (("retention",), _retention),
    "peers": (("retention",), _peers),
    "merge_speed": (("merge_speed",), _merge_speed),
    "quants": (("quants",), _quants),
    "architectures": (("architectures",), _architectures),
    "library": (("library",), _library),
    "opening": (("opening",), _opening),
    "training": (("training", "retrain"), _training),
    "recipe": (("recipe",), _recipe),
    "dpo": (("dpo",), _dpo),
    "exact_weights": (("exact_weights",), _exact_weights),
    "size": (("size",), _size),
    "macs": (("macs",), _macs),
    "resume": (("resume",), _resume),
    "distributed": (("distributed",), _distributed),
    "simulations": (
        ("coverage", "false_promotion", "skewed", "skewed_drift", "power", "needed"),
        _simulations,
    ),
    "wnut17": (("wnut17", "cache"), _wnut17),
    "verdicts": (("verdicts",), _verdicts),
    "feedback": (("ingest", "formats", "fuzz"), _feedback),
    "poison_fresh": (("poison_fresh",), _poison_fresh),
    "likelihood": (("nll",), _likelihood),
    "forgetting": (("guard",), _forgetting),
    "first_nights": (("first_night",), _first_nights),
    "growth": (("growth",), _growth),
    "capture": (("replay", "overhead", "kills"), _capture),
    "pages": (("pages",), _pages),
    "teacher_filters": (("filters",), _teacher_filters),
    "teacher_speed": (("speed",), _teacher_speed),
    "teacher_five": (("five",), _teacher_five),
    "judges": (("judge",), _judges),
    "judge_looks": (("looks",), _judge_looks),
    "review_queue": (("review_queue",), _review_queue),
    "suggested_tags": (("suggested_tags",), _suggested_tags),
}
"""By name: the keys of what was measured, and how what stands there becomes Markdown."""


def _scaled(kinds: Measured, columns: Iterable[tuple[str, Callable[[float], str]]]) -> Iterator[Row]:
    """A row for every quantisation and scale that has any of the columns."""
    columns = tuple(columns)
    for kind, scales in kinds.items():
        for scale, cell in scales.items():
            if any(key in cell for key, _ in columns):
                yield (kind, scale, *(_cell(cell, *column) for column in columns))


def _table(header: Row, rows: Iterable[Row], *, names: int) -> str:
    """Markdown; the first `names` columns hold words, the others numbers."""
    rule = ["---"] * names + ["---:"] * (len(header) - names)
    lines = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    first, *rest = lines
    return "\n".join((first, f"|{'|'.join(rule)}|", *rest)) + "\n"


def _cell(found: Measured, key: str, show: Callable[[float], str]) -> str:
    value = found.get(key)
    return _MISSING if value is None else show(value)


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _decimal(value: float) -> str:
    return f"{value:.3g}"


def _seconds(value: float) -> str:
    return f"{value:.0f} s"


def _whole(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def main() -> None:
    """Write the tables that were measured into the pages."""
    for page, files in PAGES.items():
        measured = {key: value for file in files for key, value in results.read(file).items()}
        page.write_text(fill(page.read_text(encoding="utf-8"), measured), encoding="utf-8")


if __name__ == "__main__":
    main()
