"""A trend in a table cell: bars drawn as SVG on the server, failures on top of the rest."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from webapp.formatting.numbers import count

BAR, GAP, HEIGHT = 4, 1, 24


def sparkline(totals: Sequence[int], failures: Sequence[int] = (), *, what: str, tone: str = "") -> Markup:
    """`failures` are part of `totals`. `what` names the unit for those who cannot see it: "invocations"."""
    width = max(len(totals) * (BAR + GAP) - GAP, 1)
    peak = max(totals, default=0)
    good, bad = [], []
    for index, total in enumerate(totals):
        if total <= 0:
            continue
        left = index * (BAR + GAP)
        # What is there is seen: a pixel and a half at least.
        height = max(1.5, HEIGHT * total / peak)
        failed = failures[index] if index < len(failures) else 0
        red = min(height, max(1.5, height * failed / total)) if failed > 0 else 0.0
        if height > red:
            good.append(f"M{left} {HEIGHT - height:.1f}h{BAR}v{height - red:.1f}h-{BAR}z")
        if red:
            bad.append(f"M{left} {HEIGHT - red:.1f}h{BAR}v{red:.1f}h-{BAR}z")
    label = f"{what}: {count(sum(totals))} in all, at most {count(peak)} at a time"
    if failures:
        label += f", {count(sum(failures))} failed"
    return Markup(
        '<svg class="sparkline {tone}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="{label}"><title>{label}</title><path class="base" d="M0 {floor}H{width}"/>'
        '<path class="good" d="{good}"/><path class="bad" d="{bad}"/></svg>'
    ).format(
        tone=tone,
        width=width,
        height=HEIGHT,
        floor=HEIGHT - 0.5,
        label=label,
        good="".join(good),
        bad="".join(bad),
    )
