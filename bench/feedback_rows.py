"""Rows as tools write them that keep what they were told of an answer in columns: Argilla's, and TensorZero's."""

from typing import Any


def argilla_row(name: str, asked: str, better: str, worse: str) -> dict[str, Any]:
    """A row in which one person found an answer bad, and corrected it; what another drafted is nothing yet."""
    row: dict[str, Any] = {"id": name, "status": "completed", "inserted_at": "2026-03-01T08:00:00", "_server_id": name}
    for question, answer in {"quality": "bad", "correction": better}.items():
        row[f"{question}.responses"] = [answer, None]
        row[f"{question}.responses.users"] = ["5d0c6a2e-0000-4000-8000-000000000001"] * 2
        row[f"{question}.responses.status"] = ["submitted", "draft"]
    return {**row, "prompt": asked, "response": worse, "quality.suggestion": "good"}


def inference(asked: str, better: str, worse: str) -> dict[str, Any]:
    """An inference to which a demonstration was preferred."""
    return {
        "type": "chat", "function_name": "fairs", "variant_name": "brief", "tags": {"user_id": "7"},
        "input": {"messages": [{"role": "user", "content": _blocks(asked)}]}, "output": _blocks(better),
        "dispreferred_outputs": [_blocks(worse)], "timestamp": "2026-03-01T08:00:00Z", "processing_time_ms": 12,
    }  # fmt: skip


def _blocks(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]
