"""Reading ahead: what a rule looks at is read before the first round that looks at it.

After a start, or when many rules were made at once, that is more than one round may cost: hours of minutes, the month,
the same hour of past days. So it is read a part at a time, and nothing is decided meanwhile. A rule whose past is not
known is neither met nor not met: the position of the evaluation stays until all of them are.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from collector.alerts.catalog import Catalog
from collector.alerts.conditions import windows
from collector.alerts.evaluation import Plan, hits_at
from collector.alerts.failures import left_out
from collector.alerts.kept import AGAIN_S, Kept
from collector.alerts.looks import Look
from collector.alerts.model import ConditionKind
from collector.alerts.position import MINUTE_S
from collector.alerts.windows import Windows


def read_ahead(
    connection: Connection, catalog: Catalog, look: Look, kept: Kept, enough: Callable[[], bool]
) -> tuple[Kept, bool]:
    """Reads for the rules that no round has looked at yet, until it is `enough`. Returns what rounds go on with, and
    whether that is all."""
    position = look.position
    unread = [
        plan for id, plan in look.plans.items() if kept.plans.get(id) is not plan and kept.ahead.get(id) is not plan
    ]
    if not unread or position.evaluated_s > look.now_ms // 1000:  # it would be of minutes that are not over
        return kept, True
    at_s = position.evaluated_s - AGAIN_S + MINUTE_S  # the first moment that the next round looks at
    if kept.at_s != at_s:
        kept = Kept(at_s=at_s, through_s=position.evaluated_s, position_s=position.evaluated_s)
    sums = Windows(connection, catalog, last_s=look.through_s, now_ms=look.now_ms, kept=kept, keep_s=at_s, ahead=True)
    sums.at(at_s)
    read: dict[str, object] = {}
    for plan in unread:
        _read(sums, plan, catalog)
        read[plan.rule.id] = plan
        if enough():
            break
    more = sums.keep(through_s=kept.through_s, position_s=kept.position_s, plans={})
    return kept.with_more(more, read), len(read) == len(unread)


def _read(sums: Windows, plan: Plan, catalog: Catalog) -> None:
    """By working out what nobody asks for yet."""
    rule = plan.rule
    hits_at(sums, plan, sums.now_s, catalog.within(rule.scope))
    if rule.condition.kind is ConditionKind.BURN_RATE:  # not every moment looks at all of its windows
        for length in windows(rule):
            sums.counted(length, rule.scope.execution_tags)
            left_out(sums, length, rule.scope.execution_tags, without_4xx=rule.ignore_4xx)
