# mypy: ignore-errors
"""What a handler may raise."""

import asyncio
import concurrent.futures
import contextlib
import json
import sys


def _fails(depth=3):
    if depth:
        _fails(depth - 1)
    raise ValueError("deep password=hunter2")


def simple(event, context):
    _fails()


def at_once(event, context):
    raise KeyError("a")


def without_text(event, context):
    raise ValueError


def chained(event, context):
    try:
        _fails(0)
    except ValueError as error:
        raise KeyError("outer") from error


def within(event, context):
    try:
        _fails(0)
    except ValueError:
        return {}["inner"]


def from_none(event, context):
    try:
        _fails(0)
    except ValueError:
        raise RuntimeError("hidden") from None


def behind_itself(event, context):
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def group(event, context):
    errors = []
    for depth in (0, 2):
        try:
            _fails(depth)
        except ValueError as error:
            errors.append(error)
    raise ExceptionGroup("several", [*errors, ExceptionGroup("inner", [TypeError("t")])])


def of_tasks(event, context):
    async def fails(n):
        await asyncio.sleep(0)
        raise ValueError(n)

    async def main():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails(1))
            tasks.create_task(fails(2))

    asyncio.run(main())


def of_a_pool(event, context):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(_fails).result()


def noted(event, context):
    error = ValueError("noted")
    error.add_note("a note\nof two lines")
    raise error


def recursion(event, context):
    def again(n):
        return again(n + 1)

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(150)
    try:
        return again(0)
    finally:
        sys.setrecursionlimit(before)


def syntax(event, context):
    exec("a = = 1")


def compiled(event, context):
    exec(compile("def made():\n    raise ValueError('made')\nmade()", "made.py", "exec"), {})


def json_error(event, context):
    return json.loads("{no")


def os_error(event, context):
    open("/nothing/of/that/name")


def unicode_error(event, context):
    return b"\xff".decode()


def stops(event, context):
    return next(iter(()))


def asserts(event, context):
    assert event is None, {"event": "is something"}


class _Slotted(Exception):
    __slots__ = ()


def slotted(event, context):
    raise _Slotted("a", 1)


class _Named(Exception):
    def __init__(self, code):
        self.code = code

    def __str__(self):
        return f"code {self.code} äöü 💥"


_Named.__name__ = "Näme With Blanks"


def named(event, context):
    raise _Named(7)


class _Counting(Exception):
    texts = 0

    def __str__(self):
        type(self).texts += 1
        return "counted"


def textual(event, context):
    raise _Counting


class _Frozen(Exception):
    def __setattr__(self, name, value):
        raise TypeError("frozen")

    def with_traceback(self, traceback):
        raise TypeError("frozen")


def frozen(event, context):
    raise _Frozen("f")


class _Curious(Exception):
    def __getattr__(self, name):
        print("asked for", name)
        raise AttributeError(name)


def curious(event, context):
    raise _Curious("c")


_SAME = ValueError("the same every time")


def same_object(event, context):
    raise _SAME


def same_object_again(event, context):
    raise _SAME


class _Own(BaseException):
    pass


def base_exception_within(event, context):
    try:
        raise _Own("own")
    except _Own as error:
        raise RuntimeError("made of it") from error


def huge_text(event, context):
    raise ValueError("x" * 5_000 + "ä")


def lines_in_text(event, context):
    raise ValueError("one\ntwo\r\nthree\ttab\x00nul")


def with_finally(event, context):
    try:
        _fails(1)
    finally:
        print("finally")


def in_context_manager(event, context):
    @contextlib.contextmanager
    def manager():
        try:
            yield
        except ValueError as error:
            raise LookupError("made by the manager") from error

    with manager():
        _fails(0)


def suppressed(event, context):
    with contextlib.suppress(ValueError):
        _fails(0)
    return "went on"


def handled_state(event, context):
    """Nothing is being handled within a handler."""
    return str(sys.exc_info())


def attribute(event, context):
    return event.nothing


def wrong_call(event, context):
    return _fails(1, 2, 3)


def generator_raises(event, context):
    def numbers():
        yield 1
        raise StopIteration("in a generator")

    return list(numbers())
