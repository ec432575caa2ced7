"""Promotion by a person: what was held or taken back goes live only if they insist, and the history says so. What is
not proven yet goes live at once, and the history says so, too."""

from collections.abc import Callable, Mapping

from adapterd.deployment.deploy import Deployer, Swap
from adapterd.deployment.history import require_version
from adapterd.deployment.live_tag import LiveState, look_at_live, returned
from adapterd.errors import InputError
from adapterd.serving.tags import is_base
from adapterd.store import Store
from adapterd.store.versions import VersionState

OBJECTIONABLE = (VersionState.HELD, VersionState.DROPPED, VersionState.WITHDRAWN)
NOT_PROVEN = (VersionState.WAITING, VersionState.CHALLENGER)
REASON = "promoted by hand"


def promote_by_hand(
    deployer: Deployer, model: str, version: str, *, force: bool, confirm: Callable[[str], object] = lambda _: None
) -> Swap:
    """Make a version live, or `base`. With `force` also one that was held or taken back, or over a live tag that
    somebody else changed, after `confirm` was asked.

    `confirm` gets a sentence and raises what ends the promotion. Raises InputError without `force`, NotFoundError for a
    version that is not there, and whatever `Deployer.promote` raises.
    """
    present = deployer.runtime.tags()
    objection, changed = _objection(deployer.store, model, version, present), _changed(deployer, model, present)
    if objection is None and changed is None:
        unproven = not_proven(deployer.store, model, version)
        return deployer.promote(model, version, f"{REASON}, although {unproven}" if unproven else REASON)
    said = "; ".join(filter(None, (objection and f"{version} was {objection}", changed)))
    if not force:
        raise InputError(said, hint=f"adapterctl promote {version} --force makes it live anyway, after asking")
    confirm(f"{said}. Make {version} live anyway?" if changed else f"{said}. Make it live anyway?")
    although = f" with --force, although {objection}" if objection else " with --force"
    return deployer.promote(model, version, f"{REASON}{although}")


def not_proven(store: Store, model: str, version: str) -> str | None:
    """What a version that is not proven to be better still waits for, in words; None of any other."""
    found = None if is_base(version) else store.versions.get(model, version)
    return f"{found.state} ({found.reason})" if found and found.state in NOT_PROVEN else None


def _objection(store: Store, model: str, version: str, present: Mapping[str, str]) -> str | None:
    """Why a person should think twice, if there is a reason; a file that was lost and is back is none."""
    if is_base(version):
        return None
    found = require_version(store, model, version)
    if found.state not in OBJECTIONABLE or found in returned(store, model, present):
        return None
    return f"{found.state} ({found.reason})"


def _changed(deployer: Deployer, model: str, present: Mapping[str, str]) -> str | None:
    """What somebody did to the live tag, if it is not what is recorded."""
    recorded = deployer.store.versions.deployment(model)
    found = look_at_live(deployer.store, recorded, present) if recorded else None
    return found.said if found and found.state is LiveState.CHANGED else None
