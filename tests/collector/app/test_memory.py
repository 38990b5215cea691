"""How often Python looks for garbage."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: what is frozen once stays so.
PROGRAM = """
import gc
from collector.app.memory import look_for_garbage_rarely
kept = [[] for _ in range(1_000)]
look_for_garbage_rarely()
assert gc.get_freeze_count() > 1_000
cycle = []
cycle.append(cycle)
del cycle
assert gc.collect() == 1
assert gc.isenabled() and gc.get_threshold()[0] > 700
"""


def test_what_is_there_is_not_looked_through_again_and_new_garbage_is_found() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
