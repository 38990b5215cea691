# mypy: ignore-errors
"""What everything builds on, replaced within an invocation, as test helpers and patching libraries do."""

import builtins
import json
import random
import socket
import threading
import time
import zlib


def _without(module, name, *allowed):
    """Replace what everything builds on by what raises."""

    def refuse(*args, **kwargs):
        raise RuntimeError(f"no {name}")

    setattr(module, name, refuse)


_taken = {}


def _take(module, name):
    _taken[module, name] = getattr(module, name)
    _without(module, name)


def _give_back():
    for (module, name), value in _taken.items():
        setattr(module, name, value)
    _taken.clear()


def frozen_clock(event, context):
    """As test helpers freeze it."""
    _taken[time, "time"], _taken[time, "time_ns"] = time.time, time.time_ns
    _taken[time, "monotonic"] = time.monotonic
    time.time, time.time_ns, time.monotonic = (lambda: 1.0), (lambda: 1), (lambda: 1.0)
    print("frozen")
    return time.time()


def clock_goes_on(event, context):
    _give_back()
    return time.time() > 2


def no_json(event, context):
    """Broken within the invocation, whole again before the runtime needs it."""
    _take(json, "dumps")
    _take(json, "loads")
    try:
        print("without json")
        return "done"
    finally:
        _give_back()


def no_sockets(event, context):
    """As test helpers forbid the network, from here on."""
    _take(socket, "socket")
    _take(socket, "getaddrinfo")
    return "taken"


def sockets_again(event, context):
    _give_back()
    return "given back"


def no_compression(event, context):
    _take(zlib, "compressobj")
    return "taken"


def compression_again(event, context):
    _give_back()
    return "given back"


def no_randomness(event, context):
    _take(random, "getrandbits")
    return "taken"


def randomness_again(event, context):
    _give_back()
    return "given back"


def no_threads(event, context):
    _take(threading.Thread, "start")
    return "taken"


def threads_again(event, context):
    _give_back()
    return "given back"


def no_files(event, context):
    _take(builtins, "open")
    return "taken"


def files_again(event, context):
    _give_back()
    return "given back"
