"""The System map's query."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert

from collector.store.queries import system_map as module
from collector.store.queries.common import TimeRange
from collector.store.queries.system_map import SystemMap, get_system_map
from collector.store.tables import flow_stats
from tests.collector.store.queries.world import DAY, HOUR, MINUTE, NOON, World

REGION = "eu-west-1"


def _edges(found: SystemMap) -> dict[tuple[str, str], tuple[int, int]]:
    names = {f"function:{node.function.id}": node.function.name for node in found.functions}
    names |= {f"resource:{node.resource.id}": node.resource.name for node in found.resources}
    return {(names[edge.source], names[edge.target]): (edge.calls, edge.errors) for edge in found.edges}


def test_an_empty_database_has_an_empty_map(page: Connection) -> None:
    """No nodes and no edges."""
    assert get_system_map(page, DAY) == SystemMap((), (), ())


def test_calls_and_triggers_are_edges(world: World, page: Connection) -> None:
    """A bucket that triggers a function which calls a table: three nodes, two edges, with their figures."""
    thumb = world.function("thumb")
    bucket, table = world.resource("s3", "photos"), world.resource("dynamodb", "sizes", region=REGION)
    world.run(thumb, 0, by=bucket, trigger="s3", calls=[(table, None), (table, "Throttled")], duration_ms=50)
    world.run(thumb, 1, by=bucket, trigger="s3", issue=world.issue(thumb, "KeyError"), duration_ms=150)
    world.store()
    found = get_system_map(page, DAY)

    [function] = found.functions
    assert (function.function.name, function.invocations, function.errors, function.cost_pd) == ("thumb", 2, 1, 2_000)
    assert function.average_ms == pytest.approx(100)
    assert function.p95_ms == pytest.approx(150, rel=0.02)
    assert {node.resource.name: (node.calls, node.errors) for node in found.resources} == {
        "photos": (0, 0),
        "sizes": (2, 1),
    }
    assert _edges(found) == {("photos", "thumb"): (2, 1), ("thumb", "sizes"): (2, 1)}
    trigger = next(edge for edge in found.edges if edge.trigger)
    call = next(edge for edge in found.edges if not edge.trigger)
    assert (trigger.average_ms, trigger.p95_ms) == (None, None)
    assert call.average_ms == pytest.approx(10)
    assert call.p95_ms == pytest.approx(10, rel=0.02)


def test_a_resource_hands_on_to_another(world: World, page: Connection) -> None:
    """What Transcribe wrote into a bucket joins both, also where nothing else of the two is in the window."""
    transcribe, bucket = world.resource("transcribe", "", region=REGION), world.resource("s3", "transcripts")
    world.run(world.function("thumb"), -2 * HOUR, by=bucket, calls=[(transcribe, None)])
    world.store()
    with world.engine.begin() as connection:
        for resolution in (60, 3600):
            start_s = NOON // 1000 // resolution * resolution
            connection.execute(insert(flow_stats).values((transcribe.id, bucket.id, resolution, start_s, 3)))
    [edge] = get_system_map(page, TimeRange(NOON, NOON + HOUR)).edges

    assert (f"resource:{transcribe.id}", f"resource:{bucket.id}", True, 3, 0, None, None) == (
        edge.source,
        edge.target,
        edge.trigger,
        edge.calls,
        edge.errors,
        edge.average_ms,
        edge.p95_ms,
    )


def test_only_the_window_counts(world: World, page: Connection) -> None:
    """What ran or was called outside the window is not on the map."""
    thumb, table = world.function("thumb"), world.resource("dynamodb", "sizes")
    world.run(thumb, 2 * HOUR, calls=[(table, None)])
    world.store()

    assert get_system_map(page, TimeRange(NOON, NOON + HOUR)) == SystemMap((), (), ())
    assert len(get_system_map(page, TimeRange(NOON, NOON + 2 * HOUR + MINUTE)).edges) == 1


def test_functions_without_calls_are_on_the_map(world: World, page: Connection) -> None:
    """A function that ran and touched nothing is a node by itself."""
    world.run(world.function("loner"))
    world.store()
    found = get_system_map(page, DAY)

    assert [node.function.name for node in found.functions] == ["loner"]
    assert found.edges == ()


@pytest.mark.parametrize(
    ("region", "arn", "merged"),
    [
        (REGION, None, True),
        (REGION, "arn:aws:lambda:eu-west-1:123456789012:function:callee:live", True),
        (REGION, "arn:aws:lambda:eu-west-1:999999999999:function:callee", False),
        ("us-east-1", None, False),
    ],
)
def test_an_invoked_function_is_one_node(
    world: World, page: Connection, region: str, arn: str | None, merged: bool
) -> None:
    """A call to Lambda leads to the function itself, where name, region and account say that it is that one."""
    caller, callee = world.function("caller"), world.function("callee")
    target = world.resource("lambda", "callee", region=region, arn=arn)
    world.run(caller, 0, calls=[(target, None)])
    world.run(callee, 1)
    world.store()
    found = get_system_map(page, DAY)

    assert [node.resource.id for node in found.resources] == ([] if merged else [target.id])
    expected = f"function:{callee.id}" if merged else f"resource:{target.id}"
    assert [(edge.source, edge.target) for edge in found.edges] == [(f"function:{caller.id}", expected)]


def test_names_of_one_function_are_one_edge(world: World, page: Connection) -> None:
    """Calls by name and by ARN to one function add up; a function that is called and did not run is on the map."""
    caller, callee = world.function("caller"), world.function("callee")
    by_name = world.resource("lambda", "callee", region=REGION)
    by_arn = world.resource("lambda", "callee", region=REGION, arn=f"arn:aws:lambda:{REGION}:{callee.account}:x")
    world.run(caller, 0, calls=[(by_name, None), (by_arn, "TooManyRequests"), (by_arn, None)])
    world.store()
    found = get_system_map(page, DAY)

    assert _edges(found) == {("caller", "callee"): (3, 1)}
    assert found.edges[0].average_ms == pytest.approx(10)
    assert {node.function.name: node.invocations for node in found.functions} == {"caller": 1, "callee": 0}


def test_namesakes_in_two_accounts_are_not_guessed(world: World, page: Connection) -> None:
    """Where a name could mean two functions, the resource stays a node of its own."""
    caller = world.function("caller")
    for account in ("1", "2"):
        world.run(world.function("callee", account=account))
    target = world.resource("lambda", "callee", region=REGION)
    world.run(caller, 0, calls=[(target, None)])
    world.store()

    assert [node.resource.id for node in get_system_map(page, DAY).resources] == [target.id]


def test_the_busiest_edges_are_kept(world: World, page: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map with too many edges shows those with the most calls."""
    monkeypatch.setattr(module, "MOST_EDGES", 2)
    thumb = world.function("thumb")
    resources = [world.resource("http", f"host{index}") for index in range(4)]
    for index, resource in enumerate(resources):
        world.run(thumb, index, calls=[(resource, None)] * (index + 1))
    world.store()

    assert _edges(get_system_map(page, DAY)) == {("thumb", "host3"): (4, 0), ("thumb", "host2"): (3, 0)}


def test_the_number_of_statements_is_constant(world: World, page: Connection, statements: list[str]) -> None:
    """Twenty functions that call each other take as many statements as two."""
    for index in range(20):
        world.run(
            world.function(f"f{index}"),
            index,
            calls=[(world.resource("lambda", f"f{(index + 1) % 20}", region=REGION), None)],
        )
    world.store()
    found = get_system_map(page, DAY)

    assert (len(found.edges), len(found.resources), len(found.functions)) == (20, 0, 20)
    assert len(statements) <= 8
