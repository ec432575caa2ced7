"""Promotion by a person: what was held or taken back goes live only if they insist, and the history says so."""

from collections.abc import Callable

from adapterd.deployment.deploy import Deployer, Swap
from adapterd.deployment.history import require_version
from adapterd.errors import InputError
from adapterd.serving.tags import BASE
from adapterd.store import Store
from adapterd.store.versions import VersionState

OBJECTIONABLE = (VersionState.HELD, VersionState.WITHDRAWN)
REASON = "promoted by hand"


def promote_by_hand(
    deployer: Deployer, model: str, version: str, *, force: bool, confirm: Callable[[str], object] = lambda _: None
) -> Swap:
    """Make a version live, or `base`. With `force` also one that was held or taken back, after `confirm` was asked.

    `confirm` gets a sentence and raises what ends the promotion. Raises InputError without `force`, NotFoundError for a
    version that is not there, and whatever `Deployer.promote` raises.
    """
    objection = _objection(deployer.store, model, version)
    if objection is None:
        return deployer.promote(model, version, REASON)
    if not force:
        raise InputError(
            f"{version} was {objection}",
            hint=f"adapterctl promote {version} --force makes it live anyway, after asking",
        )
    confirm(f"{version} was {objection}. Make it live anyway?")
    return deployer.promote(model, version, f"{REASON} with --force, although {objection}")


def _objection(store: Store, model: str, version: str) -> str | None:
    """Why a person should think twice, if there is a reason."""
    if version == BASE:
        return None
    found = require_version(store, model, version)
    return f"{found.state} ({found.reason})" if found.state in OBJECTIONABLE else None
