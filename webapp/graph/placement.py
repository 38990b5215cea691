"""How high in its column each node stands: as near to its neighbours as the others let it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ROUNDS = 10


def place(
    columns: Sequence[Sequence[str]], following: Mapping[str, Sequence[str]], spaces: Mapping[str, float]
) -> dict[str, float]:
    """The centre of every node. Two neighbours in a column keep the mean of their `spaces` between their centres."""
    preceding: dict[str, list[str]] = {}
    for left, rights in following.items():
        for right in rights:
            preceding.setdefault(right, []).append(left)
    centre: dict[str, float] = {}
    for column in columns:
        offsets = _offsets(column, spaces)
        middle = offsets[-1] / 2 if offsets else 0.0
        centre.update((node, offset - middle) for node, offset in zip(column, offsets, strict=True))
    for turn in range(ROUNDS):
        rightwards = turn % 2 == 0
        around = preceding if rightwards else following
        for column in columns if rightwards else reversed(columns):
            wanted = []
            for node in column:
                ends = around.get(node, ())
                wanted.append(sum(centre[end] for end in ends) / len(ends) if ends else centre[node])
            centre.update(zip(column, _apart(wanted, _offsets(column, spaces)), strict=True))
    return centre


def _offsets(column: Sequence[str], spaces: Mapping[str, float]) -> list[float]:
    """Each centre's distance from the first, where all stand as close as they may."""
    result, total = [], 0.0
    for index, node in enumerate(column):
        if index:
            total += (spaces[column[index - 1]] + spaces[node]) / 2
        result.append(total)
    return result


def _apart(wanted: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """The positions nearest to `wanted`, by least squares, that keep order and distance (pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []
    for value, offset in zip(wanted, offsets, strict=True):
        mean, size = value - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
