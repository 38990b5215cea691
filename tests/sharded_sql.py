"""What a sharded PostgreSQL (Citus) accepts, as far as a statement's text tells.

Citus cannot be installed where the tests run. Its documentation says what it refuses in statements that concern more
than one shard; `refusals` looks for that.
"""

from __future__ import annotations

import re
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from collector.store.sharding import DISTRIBUTED

VOLATILE = re.compile(r"\b(random|clock_timestamp|nextval|gen_random_uuid)(?=\()")
# What the store says in other words where it is sharded: `select_by_key`, the filter of transactions by resource.
OTHERWISE = ("FOR UPDATE of ", "a subquery of ['calls'] refers to invocations.")
_LISTS = re.compile(r"\(\s*(%\(\w+\)s|%s)(\s*,\s*(%\(\w+\)s|%s))+\s*\)")
_ROWS = re.compile(r"VALUES \(%s\)(, \(%s\))+")
_PARAMETERS = re.compile(r"%\(\w+\)s|%s")


def refusals(statement: str, *, sharded: bool = True) -> tuple[str, ...]:
    """Why Citus would not run it; empty where nothing is known against it.

    `sharded`: the database is taken for one. On others the store does some things otherwise, which are left out.
    """
    found = _refusals(_shortened(statement))
    return found if sharded else tuple(refusal for refusal in found if not refusal.startswith(OTHERWISE))


def _shortened(statement: str) -> str:
    """Parameters as a number, and lists of them as short as can be: so that few statements are read."""
    return _PARAMETERS.sub("1", _ROWS.sub("VALUES (%s)", _LISTS.sub("(%s)", statement)))


@cache
def _refusals(statement: str) -> tuple[str, ...]:
    if not any(re.search(rf"\b{name}\b", statement) for name in DISTRIBUTED):
        return ()
    tree = sqlglot.parse_one(statement, dialect="postgres")
    found = [
        *(_locks(tree)),
        *(_correlated(tree)),
        *(_outer_joins(tree)),
        *(_conflicts(tree)),
        *(_volatile(tree)),
    ]
    single = (exp.TableSample, exp.GroupingSets, exp.Cube, exp.Rollup)
    found.extend(f"{kind.__name__} is for one shard only" for kind in single if tree.find(kind))
    if any(with_.args.get("recursive") for with_ in tree.find_all(exp.With)):
        found.append("recursive CTEs are for one shard only")
    return tuple(found)


def _distributed(node: exp.Expr) -> set[str]:
    return {table.name for table in node.find_all(exp.Table)} & DISTRIBUTED.keys()


def _locks(tree: exp.Expr) -> list[str]:
    found = []
    for select in tree.find_all(exp.Select):
        if not select.args.get("locks"):
            continue
        for name in _distributed(select):
            column = DISTRIBUTED[name][0]
            where = select.args.get("where")
            equal = where is not None and any(
                isinstance(one.this, exp.Column)
                and one.this.name == column
                and not isinstance(one.expression, exp.Column)
                for one in where.find_all(exp.EQ)
            )
            if not equal:
                found.append(f"FOR UPDATE of {name} without {column} = one value")
    return found


def _correlated(tree: exp.Expr) -> list[str]:
    found = []
    for scope in traverse_scope(tree) if isinstance(tree, exp.Query) else ():
        inside = {DISTRIBUTED[name] for name in _distributed(scope.expression)}
        if not (scope.is_correlated_subquery and inside):
            continue
        aliases = {table.alias_or_name: table.name for table in tree.find_all(exp.Table)}
        for column in scope.external_columns:
            outside = DISTRIBUTED.get(aliases.get(column.table, ""))
            # A table that is on every node, or on one alone, is brought to the rows.
            if outside is not None and not (column.name == outside[0] and inside == {outside}):
                found.append(f"a subquery of {sorted(_distributed(scope.expression))} refers to {column.sql()} outside")
    if isinstance(tree, exp.Update | exp.Delete):
        own = tree.this.name
        for select in tree.find_all(exp.Select):
            others = {column.table for column in select.find_all(exp.Column)} - {
                table.alias_or_name for table in select.find_all(exp.Table)
            }
            if own in others and (_distributed(select) or own in DISTRIBUTED):
                found.append(f"a subquery refers to {own}, which is changed")
    return found


def _outer_joins(tree: exp.Expr) -> list[str]:
    found = []
    for join in tree.find_all(exp.Join):
        if join.side in {"LEFT", "RIGHT", "FULL"} and join.parent is not None:
            names = _distributed(join.this) if isinstance(join.this, exp.Table) else set()
            others = _distributed(join.parent.args["from_"].this) if join.parent.args.get("from_") else set()
            if names and others:
                found.append(f"outer join of {sorted(names | others)}")
    return found


def _conflicts(tree: exp.Expr) -> list[str]:
    conflict = tree.args.get("conflict")
    name = tree.this.this.name if isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Schema) else ""
    if conflict is None or name not in DISTRIBUTED:
        return []
    column = DISTRIBUTED[name][0]
    found = []
    keys = {key.name for key in conflict.args.get("conflict_keys") or ()}
    if keys and column not in keys:
        found.append(f"ON CONFLICT of {name} without {column}")
    changed = (change.this.name for change in conflict.expressions if isinstance(change, exp.EQ))
    return found + [f"{name}.{column} is changed" for other in changed if other == column]


def _volatile(tree: exp.Expr) -> list[str]:
    if not isinstance(tree, exp.Update | exp.Insert | exp.Delete) or not _distributed(tree):
        return []
    return [f"{name}() in a statement that writes" for name in VOLATILE.findall(tree.sql(dialect="postgres").lower())]
