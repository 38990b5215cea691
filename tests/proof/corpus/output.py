# mypy: ignore-errors
"""Every way to print."""

import contextlib
import ctypes
import io
import json
import os
import pprint
import subprocess
import sys
import threading
import traceback
import warnings


def prints(event, context):
    print("one", "two", sep=" ", end="!\n")
    print("no newline", end="")
    print()
    print("äöü 💥", file=sys.stderr)
    print("flushed", flush=True)
    print(*[], sep="x")
    print("a\nb\n\nc", "d\r\n")


def writes(event, context):
    counts = [sys.stdout.write("written\n"), sys.stdout.write(""), sys.stderr.write("err\n")]
    sys.stdout.writelines(["a\n", "b\n"])
    sys.stdout.writelines(iter(["c", "d\n"]))
    sys.stdout.flush()
    return str(counts)


def wrong_writes(event, context):
    texts = []
    for value in (b"bytes", None, 3):
        try:
            sys.stdout.write(value)
        except Exception as error:
            texts.append(f"{type(error).__name__}: {error}")
    return texts


def descriptors(event, context):
    print("before", end=" ", flush=True)
    counts = [os.write(1, "to the descriptor ä\n".encode()), os.write(2, b"half a line, "), os.write(2, b"\n")]
    counts.append(os.writev(1, [b"gathered ", b"together\n"]))
    return counts


def binary(event, context):
    sys.stdout.buffer.write(b"\x00\xff\xfe not utf-8\n")
    sys.stdout.buffer.write(memoryview(b"viewed\n"))
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(bytearray(b"array \x80\n"))
    sys.stderr.flush()


def below(event, context):
    sys.__stdout__.write("below\n")
    sys.__stdout__.flush()
    sys.__stderr__.write("below too\n")
    sys.__stderr__.flush()


def raw(event, context):
    sys.stdout.flush()
    sys.stdout.buffer.raw.write(b"past the buffer\n")


def opened(event, context):
    with os.fdopen(os.dup(1), "w") as copy:
        copy.write("of a copy\n")
    with open("/dev/stdout", "a") as device:
        device.write("of the device\n")


def mixed(event, context):
    """The order, which only one descriptor for both shows."""
    for number in range(50):
        print("print", number)
        os.write(1, b"write %d\n" % number)
        sys.stdout.buffer.write(b"buffer %d\n" % number)
        sys.stdout.flush()


def redirected(event, context):
    with contextlib.redirect_stdout(io.StringIO()) as caught, contextlib.redirect_stderr(io.StringIO()) as wrong:
        print("caught")
        print("caught, too", file=sys.stderr)
    print(json.dumps([caught.getvalue(), wrong.getvalue()]))


class _Shouting:
    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        return self.stream.write(text.upper())

    def __getattr__(self, name):
        return getattr(self.stream, name)


def replaced(event, context):
    before = sys.stdout
    sys.stdout = _Shouting(before)
    try:
        print("shouted")
        return [type(sys.stdout).__name__, type(sys.stdout.stream).__name__]
    finally:
        sys.stdout = before


def replaced_for_good(event, context):
    sys.stdout = _Shouting(sys.stdout)
    print("shouted")


def still_replaced(event, context):
    print("still shouted")
    sys.stdout = sys.stdout.stream
    print("not any more")


def moved_descriptor(event, context):
    sys.stdout.flush()
    reader, writer = os.pipe()
    saved = os.dup(1)
    os.dup2(writer, 1)
    try:
        print("into the pipe", flush=True)
        os.write(1, b"this too\n")
    finally:
        os.dup2(saved, 1)
        for one in (saved, writer):
            os.close(one)
    with os.fdopen(reader) as pipe:
        return pipe.read()


def streams(event, context):
    return [
        [type(stream).__name__, stream.isatty(), stream.fileno(), stream.encoding, stream.errors, stream.closed]
        for stream in (sys.stdout, sys.stderr)
    ]


def threads(event, context):
    for number in range(3):
        thread = threading.Thread(target=print, args=("from a thread", number))
        thread.start()
        thread.join()


def children(event, context):
    print("parent", flush=True)
    subprocess.run(["sh", "-c", "echo child; echo wrong >&2"], check=True)
    return subprocess.run(["cat"], input=b"x\n", capture_output=True, check=True).stdout.decode()


def c_code(event, context):
    sys.stdout.flush()
    libc = ctypes.CDLL(None)
    libc.puts(b"from C")
    libc.fflush(None)


def stacks(event, context):
    try:
        raise ValueError("printed")
    except ValueError as error:
        traceback.print_exc()
        traceback.print_exception(error, file=sys.stdout)
        return traceback.format_exc()


def displays(event, context):
    sys.displayhook({"a": 1})
    pprint.pprint({"a": list(range(40))})


def long_line(event, context):
    print("x" * 200_000)
    sys.stdout.write("y" * 70_000)
    sys.stdout.write("\n")


def many_lines(event, context):
    for number in range(3_000):
        print(number)


def unencodable(event, context):
    try:
        print("\ud800")
    except UnicodeEncodeError as error:
        return str(error)


def warned(event, context):
    warnings.warn("old", DeprecationWarning)
    warnings.warn("look", stacklevel=1)


def broken_stream(event, context):
    class Broken:
        def write(self, text):
            raise OSError("full")

        def flush(self):
            raise OSError("full")

    before = sys.stdout
    sys.stdout = Broken()
    try:
        print("x")
    except OSError as error:
        return str(error)
    finally:
        sys.stdout = before


def annotations(event, context):
    print('[CLEW] {"tags": {"a": "b"}, "issue": {"type": "T", "message": "m"}}')
    print("[CLEW] {broken")


def no_newline_at_the_end(event, context):
    sys.stdout.write("the end")
    sys.stderr.write("the end")
