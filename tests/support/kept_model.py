"""A model with versions in a runtime, as the pipeline leaves them, without any training."""

from pathlib import Path

from adapterd.base.model import BaseModel
from adapterd.config import ModelSettings, Settings
from adapterd.formats.run_folder import PLAN
from adapterd.home import Home, make_private
from adapterd.runs.plan import RunPlan
from adapterd.serialization import dumps
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.versions import VersionState


class WeightlessRuntime(EmbeddedRuntime):
    """The embedded runtime's tags on disk, with nothing to load."""

    def load(self, tag: str) -> None:
        self.show(tag)


def add_version(store: Store, home: Home, runtime: Runtime, model: str, version: str, file: Path) -> None:
    """Register a file as a version that was held, with its run, its plan and the folder of its adapter; the base's tag
    must be there."""
    tags, run_id, digest = ModelTags(model), f"run-{model}-{version}", file_digest(file)
    shown = runtime.show(tags.base)
    assert shown.gguf is not None
    base = BaseModel(tags.base, shown.gguf, file_digest(shown.gguf), shown.modelfile)
    runtime.create(tags.version(version), file, digest, base.modelfile)
    store.runs.start(run_id, model, reason="", fingerprint="", last_feedback_id=0)
    store.runs.start_stage(run_id, "merging", "key")
    store.runs.finish_stage(run_id, "merging", result={"digest": digest, "size_bytes": file.stat().st_size})
    store.runs.set_state(run_id, RunState.HELD)
    tag_digest = runtime.tags()[tags.version(version)]
    store.versions.add(model, version, run_id=run_id, digest=tag_digest, base_digest=base.digest)
    store.versions.set_state(model, version, VersionState.HELD, "")
    settings = ModelSettings(tags.base, base.digest)
    plan = RunPlan(run_id, model, version, base, settings, Settings(models={model: settings}), BASE)
    (make_private(home.run(run_id)) / PLAN).write_text(dumps(plan))
    make_private(home.version(model, version))
