"""`clew.span`: spans of a function's own."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import inspect
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import clew
from clew import odd_values
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator


pytestmark = pytest.mark.usefixtures("warnings_anew")


def parents(sink: Sink) -> dict[str, str | None]:
    """Each span's name with its parent's."""
    names = {span.span_id: span.name for span in sink.spans()}
    return {span.name: names.get(span.parent_span_id) for span in sink.spans()}


def test_spans_nest_under_the_invocation(sink: Sink, trace: Any) -> None:
    """As context managers and decorators; internal ones, with their attributes."""

    @clew.span("decorated", width=80)
    def resize(value: int) -> int:
        """Twice."""
        return value * 2

    @clew.span
    def plain() -> None:
        with clew.span("inner") as span:
            span.set_attribute("later", True)

    def handler(event: Any, context: Any) -> int:
        with clew.span("outer", name="n", ratio=0.5, tags=["a", "b"], nested={"a": [1]}, none=None):
            plain()
        return resize(4)

    assert trace(handler)({}, None) == 8
    assert (resize.__name__, resize.__doc__) == ("resize", "Twice.")
    assert str(inspect.signature(resize)) == "(value: 'int') -> 'int'"
    name = f"{test_spans_nest_under_the_invocation.__name__}.<locals>.plain"
    assert parents(sink) == {
        "transcribe": None, "outer": "transcribe", name: "outer", "inner": name, "decorated": "transcribe"
    }  # fmt: skip
    found = {span.name: span for span in sink.spans()}
    assert {found[name].kind for name in ("outer", "inner", "decorated")} == {1}
    assert attributes(found["outer"]) == {"name": "n", "ratio": 0.5, "tags": ["a", "b"], "nested": '{"a":[1]}'}
    assert attributes(found["inner"]) == {"later": True}
    assert attributes(found["decorated"]) == {"width": 80}


def test_spans_of_coroutines_and_tasks(sink: Sink, trace: Any) -> None:
    """Each task has its own current span, though they take turns, and may share one object."""
    shared = clew.span("shared")

    @clew.span("task")
    async def task(number: int) -> int:
        with shared, clew.span(f"in {number}"):
            await asyncio.sleep(0.01 * (3 - number))
        return number

    async def handler(event: Any, context: Any) -> list[int]:
        return list(await asyncio.gather(task(1), task(2)))

    assert inspect.iscoroutinefunction(task)
    assert asyncio.run(trace(handler)({}, None)) == [1, 2]
    spans = {span.span_id: span for span in sink.spans()}
    for number in (1, 2):
        (inner,) = [span for span in spans.values() if span.name == f"in {number}"]
        above = spans[inner.parent_span_id]
        assert (above.name, spans[above.parent_span_id].name) == ("shared", "task")
    assert len(spans) == 7


def test_spans_of_generators(sink: Sink, trace: Any) -> None:
    """One lasts until the generator ends; what its consumer does meanwhile is not inside it."""

    @clew.span("steps")
    def steps(count: int) -> Generator[int, int | None, str]:
        got: int | None = None
        for number in range(count):
            with clew.span(f"step {number}"):
                pass
            got = yield (got or number)
        return "result"

    def handler(event: Any, context: Any) -> list[Any]:
        generator: Any = steps(3)
        items = [next(generator)]
        with clew.span("consumer"):
            items.append(generator.send(10))
        items.append(next(generator))
        with pytest.raises(StopIteration) as end:
            next(generator)
        endless: Any = steps(1000)
        next(endless)
        endless.close()
        return [*items, end.value.value]

    assert inspect.isgeneratorfunction(steps)
    assert trace(handler)({}, None) == [0, 10, 2, "result"]
    found = parents(sink)
    assert found["consumer"] == "transcribe"
    assert {found["step 0"], found["step 2"]} == {"steps"}
    assert [span.status.code for span in sink.spans()] == [0] * len(sink.spans())


def test_spans_of_asynchronous_generators(sink: Sink, trace: Any) -> None:
    """The same, and what is thrown into it gets there."""
    thrown = []

    @clew.span("steps")
    async def steps() -> AsyncIterator[int]:
        for number in range(1000):
            try:
                with clew.span(f"step {number}"):
                    await asyncio.sleep(0)
                yield number
            except KeyError as error:
                thrown.append(error)

    async def handler(event: Any, context: Any) -> list[int]:
        generator: Any = steps()
        items = [await generator.__anext__()]
        with clew.span("consumer"):
            items.append(await generator.athrow(KeyError("x")))
        async for item in generator:
            items.append(item)
            break
        await generator.aclose()
        return items

    assert inspect.isasyncgenfunction(steps)
    assert asyncio.run(trace(handler)({}, None)) == [0, 1, 2]
    assert [str(error) for error in thrown] == ["'x'"]
    found = parents(sink)
    assert (found["consumer"], found["step 1"], found["steps"]) == ("transcribe", "steps", "transcribe")


def failing(kind: str) -> Callable[[], Any]:
    @clew.span("fails")
    def function() -> None:
        raise ValueError("token=hunter2 is wrong")

    @clew.span("fails")
    async def coroutine() -> None:
        raise ValueError("token=hunter2 is wrong")

    @clew.span("fails")
    def generator() -> Iterator[int]:
        yield 1
        raise ValueError("token=hunter2 is wrong")

    def manager() -> None:
        with clew.span("fails"):
            raise ValueError("token=hunter2 is wrong")

    return {
        "function": function,
        "coroutine": lambda: asyncio.run(coroutine()),
        "generator": lambda: list(generator()),
        "manager": manager,
    }[kind]


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "manager"])
def test_an_exception_goes_on_unchanged(sink: Sink, trace: Any, kind: str) -> None:
    """The span has failed by it; no frame of ours is in the stacks that leave the handler and that are exported."""
    with pytest.raises(ValueError, match="token=hunter2 is wrong") as raised:
        trace(lambda event, context: failing(kind)())({}, None)

    files = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert not [file for file in files[1:] if "/tracer/clew/" in file and not file.endswith("bootstrap.py")]
    inner, outer = sink.spans()
    assert (inner.name, inner.status.code, outer.status.code) == ("fails", 2, 2)
    assert attributes(inner) == {"error.type": "ValueError"}
    assert inner.status.message == "token=**** is wrong"
    for span in (inner, outer):
        (event,) = span.events
        assert event.name == "exception"
        assert "/tracer/clew/" not in attributes(event)["exception.stacktrace"]
    assert not any(b"hunter2" in one.body for one in sink.received)


def test_attributes_are_masked_and_cut(sink: Sink, trace: Any) -> None:
    """As payloads are; what OpenTelemetry has no type for is described, and nothing of it is called."""

    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError("hands off")

    def handler(event: Any, context: Any) -> None:
        with clew.span(
            "step", password="hunter2", text="pwd=hunter2", items=["token: hunter2"], long="x" * 5000, big=1 << 70,
            inner={"secret": "hunter2"}, odd=Hostile(), mixed=[1, "a"],
        ):  # fmt: skip
            pass

    trace(handler)({}, None)

    found = attributes(sink.spans()[0])
    assert found.pop("long").endswith("…[cut: 5000 bytes]")
    assert found == {
        "password": "****",
        "text": "pwd=****",
        "items": ["token: ****"],
        "big": "1180591620717411303424",
        "inner": '{"secret":"****"}',
        "odd": '"[Hostile]"',
        "mixed": '[1,"a"]',
    }


def test_an_attribute_that_cannot_be_read_costs_no_span(
    sink: Sink, trace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out; the span begins and ends as ever. One that only hides its class is described."""

    class Odd:
        @property  # type: ignore[misc]  # as proxies have it
        def __class__(self) -> Any:
            raise ZeroDivisionError

    def fails(value: object) -> Any:
        raise RuntimeError("bug")

    def handler(event: Any, context: Any) -> None:
        with clew.span("step", odd=Odd(), late=dt.timedelta(1), width=80):
            monkeypatch.setattr(odd_values, "described", fails)
        with clew.span("other", odd=Odd(), width=80):
            pass

    trace(handler)({}, None)

    found = {span.name: attributes(span) for span in sink.spans() if span.kind == 1}
    assert found["step"] == {"odd": '"[Odd]"', "late": '"[timedelta]"', "width": 80}
    assert found["other"] == {"width": 80}


def test_methods_partials_and_objects(sink: Sink, trace: Any) -> None:
    """Whatever can be called can be decorated, and gives what it gave."""

    class Shop:
        @clew.span("method")
        def method(self, value: int) -> Any:
            return (self, value)

        @clew.span("static")
        @staticmethod
        def static(value: int) -> int:
            return value

        @clew.span("class")
        @classmethod
        def make(cls, value: int) -> Any:
            return (cls, value)

        async def __call__(self, value: int) -> int:
            return value

    shop = Shop()

    def handler(event: Any, context: Any) -> list[Any]:
        return [
            shop.method(1),
            Shop.static(2),
            Shop.make(3),
            clew.span("partial")(functools.partial(shop.method, 4))(),
            asyncio.run(clew.span("object")(shop)(5)),
        ]

    assert trace(handler)("event", None) == [(shop, 1), 2, (Shop, 3), (shop, 4), 5]
    names = [span.name for span in sink.spans()]
    assert sorted(names) == sorted(["method", "static", "class", "method", "partial", "object", "transcribe"])


def test_what_is_no_name_or_function_does_no_harm(sink: Sink, trace: Any, capfd: Any) -> None:
    """A class stays the class that it is, and a name of another type is that type's."""

    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("hands off")

    def handler(event: Any, context: Any) -> Any:
        hostile: Any = Hostile()
        with clew.span(hostile):
            return clew.span("class")(Hostile)

    assert trace(handler)({}, None) is Hostile
    assert parents(sink) == {"Hostile": "transcribe", "transcribe": None}
    assert "Hostile is a class" in capfd.readouterr().err


def test_threads_belong_to_the_invocation(sink: Sink, trace: Any) -> None:
    """Spans, tags and issues of a thread that has no context of its own."""

    def work() -> None:
        with clew.span("in a thread"):
            clew.tag("thread", True)
            clew.issue("Slow", "took long")

    def handler(event: Any, context: Any) -> str | None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return clew.transaction_url()

    trace(handler)({}, None)

    assert parents(sink)["in a thread"] == "transcribe"
    found = attributes(sink.spans()[1])
    assert found["clew.tag.thread"] is True
    assert [event.name for event in sink.spans()[1].events] == ["clew.issue"]
