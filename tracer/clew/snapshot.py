"""SnapStart: what must not be in the snapshot, and what is done when one is restored.

Ids come from the system's randomness and times from its clock whenever they are needed (`clew.provider`); what would
be wrong after a restore are connections, and how long ago something was. Imported where there will be a snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.guard import Guard

if TYPE_CHECKING:
    from clew.engine import Engine


def watch(engine: Engine) -> None:
    """Register with Lambda's hooks, if AWS's package for them is there."""
    try:
        from snapshot_restore_py import (  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: PLC0415
            register_after_restore,
            register_before_snapshot,
        )
    except ImportError:
        return  # a connection that died is noticed when it is used
    with Guard("registering for SnapStart"):
        register_before_snapshot(_before_snapshot, engine)
        register_after_restore(_after_restore, engine)


def _before_snapshot(engine: Engine) -> None:
    # What these raise would end the environment.
    with Guard("getting ready for a snapshot"):
        engine.delivery.renew()


def _after_restore(engine: Engine) -> None:
    with Guard("going on from a snapshot"):
        engine.delivery.renew()
        engine.environment.restored()
