# mypy: ignore-errors
"""State of the interpreter that a function may set, look at or replace."""

import builtins
import contextvars
import copy
import decimal
import functools
import gc
import inspect
import locale
import os
import pickle
import random
import socket
import sys
import threading
import typing
import warnings


def seeds(event, context):
    random.seed(7)
    return [random.random() for _ in range(3)]


def seeds_go_on(event, context):
    """The sequence that the invocation before began."""
    return [random.random(), random.getrandbits(64), random.choice("abc")]


def filters(event, context):
    """OpenTelemetry's SDK adds one for itself."""
    return [str(one) for one in warnings.filters if "opentelemetry" not in str(one)]


def strict_warnings(event, context):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        print("within strict warnings")
        try:
            warnings.warn("raised")
        except UserWarning as error:
            return str(error)


def recorded_warnings(event, context):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("caught")
        warnings.warn("caught")
        print("printed meanwhile")
    return [str(one.message) for one in caught]


def strict_for_good(event, context):
    warnings.simplefilter("error")
    return str(warnings.filters[0])


def still_strict(event, context):
    try:
        warnings.warn("raised again")
    except UserWarning as error:
        warnings.filters.pop(0)
        return str(error)


def _traced_function():
    total = 0
    for n in range(2):
        total += n
    return total


def traces(event, context):
    """What a debugger or coverage sees of the function's own file."""
    seen = []

    def tracer(frame, what, arg):
        if frame.f_code.co_filename == __file__:
            seen.append([frame.f_code.co_name, what, frame.f_lineno])
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        _traced_function()
        print("while traced")
    finally:
        sys.settrace(before)
    return [seen, before]


def profiles(event, context):
    seen = []

    def profiler(frame, what, arg):
        if frame.f_code.co_filename == __file__ and what in {"call", "return"}:
            seen.append([frame.f_code.co_name, what])

    sys.setprofile(profiler)
    try:
        _traced_function()
    finally:
        sys.setprofile(None)
    return seen


def traces_for_good(event, context):
    """A tracer that fails when it sees anything but this file is taken off by Python itself, which says so."""
    sys.settrace(lambda *args: None)
    return "set"


def still_traced(event, context):
    found = sys.gettrace() is not None
    sys.settrace(None)
    return found


_variable = contextvars.ContextVar("variable", default="unset")


def context_variable(event, context):
    before = _variable.get()
    _variable.set("set")
    return before


def context_variable_again(event, context):
    """The runtime runs all invocations in one context."""
    return _variable.get()


def copied_context(event, context):
    return contextvars.copy_context().run(_variable.get)


def main_module(event, context):
    main = sys.modules["__main__"]
    return [main.__name__, os.path.basename(main.__file__), hasattr(main, "handler"), main.__spec__ is None]


def own_module(event, context):
    module = sys.modules["app"]
    handler = module.handler
    return [
        module.__name__,
        handler.__name__,
        handler.__qualname__,
        handler.__module__,
        handler.__doc__,
        str(inspect.signature(handler)),
        list(inspect.signature(handler).parameters),
        callable(handler),
    ]


def annotations(event, context):
    return str(typing.get_type_hints(sys.modules["app"].handler))


def source(event, context):
    return inspect.getsource(sys.modules["app"].handler).count("\n") > 3


def pickled_handler(event, context):
    return pickle.loads(pickle.dumps(sys.modules["app"].handler)) is sys.modules["app"].handler


def itself(event, context):
    """The handler calls the handler."""
    return sys.modules["app"].handler({"case": "results.echo", "again": 1}, context)


def itself_without_context(event, context):
    return sys.modules["app"].handler({"case": "results.echo"}, None)


def itself_by_name(event, context):
    return sys.modules["app"].handler(context=context, event={"case": "results.echo"})


def itself_wrongly(event, context):
    return sys.modules["app"].handler()


def itself_failing(event, context):
    try:
        sys.modules["app"].handler({"case": "failures.simple"}, context)
    except ValueError as error:
        return [str(error), [frame.name for frame in __import__("traceback").extract_tb(error.__traceback__)][-2:]]


def limits(event, context):
    return [
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        gc.isenabled(),
        gc.get_threshold(),
        socket.getdefaulttimeout(),
        str(decimal.getcontext()),
        locale.getlocale(),
        sys.flags.optimize,
        sys.dont_write_bytecode,
        threading.stack_size(),
    ]


def hooks(event, context):
    return [
        sys.excepthook is sys.__excepthook__,
        sys.displayhook is sys.__displayhook__,
        sys.gettrace(),
        sys.getprofile(),
        sys.breakpointhook is sys.__breakpointhook__,
        sys.unraisablehook is sys.__unraisablehook__,
        sys.path[0] == os.environ["LAMBDA_TASK_ROOT"],
    ]


def unraisable(event, context):
    class Falls:
        def __del__(self):
            raise ValueError("while falling")

    told = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda one: told.append(str(one.exc_value))
    try:
        Falls()
        gc.collect()
    finally:
        sys.unraisablehook = before
    return told


def own_print(event, context):
    before = builtins.print
    builtins.print = lambda *args, **kwargs: before("own", *args, **kwargs)
    print("printed")
    builtins.print = before


def copies(event, context):
    return copy.deepcopy(event) == event


def memory_pressure(event, context):
    gc.disable()
    held = [[n] for n in range(100_000)]
    gc.enable()
    return len(held)


@functools.lru_cache
def _cached(n):
    return n


def caches(event, context):
    _cached(1)
    _cached(1)
    return list(_cached.cache_info())


def imported_names(event, context):
    """None of ours among the names that a handler looks at."""
    return sorted(name for name in vars(sys.modules["app"]) if not name.startswith("__"))
