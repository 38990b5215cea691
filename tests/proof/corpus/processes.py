# mypy: ignore-errors
"""Threads, children, signals and the environment."""

import asyncio
import atexit
import concurrent.futures
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time


def workers(event, context):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda n: n * n, range(100)))


def background(event, context):
    """A thread that outlives the invocation."""
    global _results
    _results = queue.SimpleQueue()
    threading.Thread(target=lambda: _results.put(sum(range(1000))), daemon=True).start()
    return "started"


def background_result(event, context):
    return _results.get(timeout=10)


def timer(event, context):
    done = threading.Event()
    threading.Timer(0.01, done.set).start()
    return done.wait(10)


def thread_error(event, context):
    def fails():
        raise ValueError("in a thread")

    thread = threading.Thread(target=fails, name="failing")
    thread.start()
    thread.join()
    return "went on"


def own_thread_hook(event, context):
    told = []
    before = threading.excepthook
    threading.excepthook = lambda args: told.append(f"{args.exc_type.__name__} {args.exc_value} {args.thread.name}")
    try:
        thread_error(event, context)
    finally:
        threading.excepthook = before
    return told


def thread_that_exits(event, context):
    thread = threading.Thread(target=sys.exit, args=(3,))
    thread.start()
    thread.join()
    return "went on"


def own_hook(event, context):
    before = sys.excepthook
    sys.excepthook = lambda *args: print("hook", args)
    same = sys.excepthook is not before
    sys.excepthook = before
    return [same, before is sys.__excepthook__]


def loops(event, context):
    async def work(n):
        await asyncio.sleep(0.001 * n)
        print("task", n)
        return n

    async def main():
        return await asyncio.gather(*(work(n) for n in range(5)))

    return asyncio.run(main())


_loop = None


def kept_loop(event, context):
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()

    async def work():
        process = await asyncio.create_subprocess_exec("echo", "of a loop", stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        return [out.decode(), process.returncode]

    return _loop.run_until_complete(work())


def kept_loop_again(event, context):
    return kept_loop(event, context)


def loop_signals(event, context):
    async def main():
        got = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, got.set)
        os.kill(os.getpid(), signal.SIGUSR2)
        await asyncio.wait_for(got.wait(), 10)
        return asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR2)

    return asyncio.run(main())


def child(event, context):
    return subprocess.run([sys.executable, "-Ic", "print('hello')"], capture_output=True, check=True).stdout.decode()


def child_environment(event, context):
    """What a child gets of ours: nothing that would trace it."""
    code = "import sys; print(sorted(name for name in sys.modules if name.split('.')[0] in {'clew', 'opentelemetry'}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.decode()


def fork(event, context):
    sys.stdout.flush()
    identifier = os.fork()
    if identifier == 0:
        print("in the child", flush=True)
        os.write(1, b"written in the child\n")
        os._exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(identifier, 0)[1])


def processes(event, context):
    """As Lambda's documentation has it, with pipes."""

    def work(pipe, n):
        print("process", n, flush=True)
        pipe.send(n * n)
        pipe.close()

    ways = multiprocessing.get_context("fork")
    results = []
    for n in range(2):
        here, there = ways.Pipe()
        process = ways.Process(target=work, args=(there, n))
        process.start()
        results.append(here.recv())
        process.join()
        results.append(process.exitcode)
    return results


def terminated_process(event, context):
    ways = multiprocessing.get_context("fork")
    process = ways.Process(target=time.sleep, args=(30,))
    process.start()
    process.terminate()
    process.join(20)
    return process.exitcode


class _OutOfTime(Exception):
    pass


def alarm(event, context):
    """A deadline of the function's own."""

    def ring(number, frame):
        raise _OutOfTime(f"signal {number} in {frame.f_code.co_name}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        time.sleep(20)
    except _OutOfTime as error:
        return [str(error), str(before)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def alarm_raised(event, context):
    def ring(number, frame):
        raise _OutOfTime("time is up")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        while True:
            time.sleep(1)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def alarms_while_printing(event, context):
    """Signals that arrive within whatever `print` calls."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for n in range(2_000):
            print("a line")
            os.write(2, b"another\n")
            if n % 10 == 9:
                sys.stdout.flush()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return set(rung) <= {signal.SIGALRM}


def signals(event, context):
    got = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    return [got, str(before), str(signal.getsignal(signal.SIGINT)), str(signal.getsignal(signal.SIGALRM))]


def at_exit(event, context):
    """Never run: Lambda ends processes without."""
    atexit.register(print, "at exit", flush=True)


def environment(event, context):
    names = ["_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT", "AWS_REGION", "_X_AMZN_TRACE_ID", "PATH", "TZ"]
    return {name: os.environ.get(name) for name in names if name != "PATH"}


def changed_environment(event, context):
    os.environ["MADE"] = "here"
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
    os.environ["CLEW_DISABLED"] = "true"
    del os.environ["AWS_REGION"]
    return os.popen("echo $MADE $CLEW_DISABLED").read()


def cleared_environment(event, context):
    kept = dict(os.environ)
    os.environ.clear()
    try:
        return len(os.environ)
    finally:
        os.environ.update(kept)


def directory(event, context):
    before = os.getcwd()
    os.chdir("/tmp")
    after = os.getcwd()
    os.chdir(before)
    return [after, before == os.environ["LAMBDA_TASK_ROOT"]]


def files(event, context):
    """The lowest free descriptor may be another, but a file is what it was."""
    reader, writer = os.pipe()
    os.write(writer, b"piped")
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        return file.read().decode()
