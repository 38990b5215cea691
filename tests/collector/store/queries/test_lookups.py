"""Names for ids, and names to choose from."""

from __future__ import annotations

from sqlalchemy import Connection

from collector.store.queries.common import FunctionRef, IssueRef, ResourceRef
from collector.store.queries.lookups import function_by_id, function_names, issue_by_id, resource_by_id
from tests.collector.store.queries.world import World

NOBODY = 1
TOO_LARGE = 2**63


def test_an_empty_database_has_no_names(page: Connection) -> None:
    """Nothing to choose from, and no id means anything; not even one that the database cannot hold."""
    assert function_names(page) == []
    for id in (NOBODY, TOO_LARGE, -TOO_LARGE - 1):
        assert function_by_id(page, id) is None
        assert resource_by_id(page, id) is None
        assert issue_by_id(page, id) is None


def test_functions_are_named_in_the_order_of_their_names(world: World, page: Connection) -> None:
    """Capitals beside small letters; whether they ran does not matter; namesakes of two regions are both there."""
    for name, region in (("thumb", "eu-west-1"), ("Zip", "eu-west-1"), ("api", "us-east-1"), ("api", "eu-west-1")):
        world.function(name, region=region)
    world.store()
    found = function_names(page)

    assert [function.name for function in found] == ["api", "api", "thumb", "Zip"]
    assert {function.region for function in found[:2]} == {"us-east-1", "eu-west-1"}


def test_of_very_many_functions_the_first_are_named(world: World, page: Connection) -> None:
    """A filter has no use for more; by their ids the others are still found."""
    rows = [world.function(f"function-{number:03}") for number in range(20)]
    world.store()

    assert [function.name for function in function_names(page, 2)] == ["function-000", "function-001"]
    assert function_by_id(page, rows[19].id) == FunctionRef(
        rows[19].id, "lambda", "123456789012", "eu-west-1", "function-019"
    )


def test_a_resource_is_named_by_its_id(world: World, page: Connection) -> None:
    """Whether or not anything reached it lately."""
    row = world.resource("sqs", "orders", region="eu-west-1", arn="arn:aws:sqs:eu-west-1:123456789012:orders")
    world.resource("sqs", "other")
    world.store()

    assert resource_by_id(page, row.id) == ResourceRef(row.id, "sqs", "eu-west-1", "orders", row.arn)


def test_an_issue_is_named_with_its_function(world: World, page: Connection) -> None:
    """Type and function, whenever it occurred."""
    thumb = world.function("thumb")
    issue = world.issue(thumb, "KeyError")
    world.run(thumb, issue=issue)
    world.run(thumb, issue=world.issue(thumb, "ValueError"))
    world.store()

    assert issue_by_id(page, issue.id) == IssueRef(
        issue.id, "KeyError", FunctionRef(thumb.id, "lambda", "123456789012", "eu-west-1", "thumb")
    )
