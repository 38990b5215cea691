"""The demo: Clew, the example on an AWS on loopback, and a trickle of recordings, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError

from examples.audio_to_text.clew_process import ClewProcess, ClewProcessError
from examples.audio_to_text.example import Example, running_example
from examples.audio_to_text.recordings import Recording, traffic
from examples.audio_to_text.tally import Tally
from examples.local_aws.aws_process import AwsProcessError

DEFAULT_PORT = 4318
FIRST_NUMBER = 41
FIRST_BATCH = 20  # one of each kind of trouble is among so many recordings
KEPT_RECORDINGS = 200  # in the emulated AWS, which holds them in memory
STORE_TIMEOUT = 30.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LATENCY_MS = {"s3": (12.0, 45.0), "transcribe": (60.0, 140.0), "dynamodb": (3.0, 9.0)}
TRANSCRIPTION_SECONDS = 2.5


class DemoError(Exception):
    """The demo cannot go on. The message is one sentence for whoever started it."""


class Stopped(BaseException):
    """A signal asked for the end. Like KeyboardInterrupt it passes through whatever is being waited for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    options = _parser().parse_args(arguments)
    options.data = options.data.absolute()
    _stop_on_signals()
    try:
        _run(options)
    except Stopped:
        _say("Ended. What Clew stored is kept; the next start shows it again.")
    except (DemoError, ClewProcessError, AwsProcessError, TimeoutError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or options.data}: {error.strerror or error}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Starts Clew and an example that it observes, all on this machine, and keeps the example busy.",
    )
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="port of Clew, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(__file__).parents[2] / ".demo",
        metavar="DIR",
        help="where data and logs are kept (default: .demo beside scripts/)",
    )
    parser.add_argument(
        "--every", type=_pause, default=4.0, metavar="SECONDS", help="pause between two uploads (default: %(default)g)"
    )
    parser.add_argument(
        "--once",
        type=_count,
        metavar="N",
        help="upload N recordings, wait until all that follows is stored, print a summary and end",
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _pause(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("more than 0")
    return seconds


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError("0 to 65535")
    return number


def _run(options: argparse.Namespace) -> None:
    data: Path = options.data
    data.mkdir(parents=True, exist_ok=True)
    database = data / "clew.db"
    is_first = not database.exists()
    tally = Tally()
    _say("Starting Clew: its database, its collector and its pages …")
    with contextlib.ExitStack() as stack:
        clew = stack.enter_context(ClewProcess(options.port, database, data / "logs" / "clew.log"))
        _say("Starting an AWS on this machine: S3, DynamoDB, Transcribe and Lambda …")
        example = stack.enter_context(
            running_example(
                otlp_endpoint=clew.url,
                directory=data,
                transcription_seconds=TRANSCRIPTION_SECONDS,
                latency_ms=LATENCY_MS,
                on_outcome=tally.add,
            )
        )
        stack.callback(_ending)
        uploader = Uploader(example, data / "next-recording")
        try:
            if options.once is not None:
                _upload_once(options.once, clew, example, uploader, tally)
            else:
                _keep_going(options, clew, example, uploader, tally, batch=FIRST_BATCH if is_first else 1)
        except BotoCoreError as error:
            raise DemoError(
                f"The emulated AWS does not answer any more; {data / 'logs' / 'aws.log'} may say why."
            ) from (error)


class Uploader:
    """Uploads one recording after the other, numbered on from where the last start left off."""

    def __init__(self, example: Example, counter: Path) -> None:
        self.uploaded = 0
        self._example = example
        self._counter = counter
        self._number = int(counter.read_text()) if counter.exists() else FIRST_NUMBER
        self._recordings = self._endless()
        self._kept: deque[str] = deque()

    def upload(self) -> str:
        """Upload the next recording and return its key."""
        item = next(self._recordings)
        self._example.upload(item)
        self.uploaded += 1
        self._number += 1
        self._counter.write_text(str(self._number))
        self._kept.append(item.key)
        if len(self._kept) > KEPT_RECORDINGS:
            self._example.forget(self._kept.popleft())
        return item.key

    def _endless(self) -> Iterator[Recording]:
        return traffic(random.Random(self._number), datetime.now(UTC).date(), self._number)


def _upload_once(count: int, clew: ClewProcess, example: Example, uploader: Uploader, tally: Tally) -> None:
    stored_before = clew.stored_invocations()
    _say(f"Uploading {count} recordings …")
    for _ in range(count):
        uploader.upload()
    example.wait_idle(timeout=60.0 + 4.0 * count)
    deadline = time.monotonic() + STORE_TIMEOUT
    while (stored := clew.stored_invocations() - stored_before) < tally.invocations:
        if time.monotonic() > deadline:
            raise DemoError(f"Clew stored only {stored} of {tally.invocations} invocations.")
        time.sleep(0.1)
    _say(f"{uploader.uploaded} uploads, {tally}. Clew stored {stored} of them.")


def _keep_going(
    options: argparse.Namespace, clew: ClewProcess, example: Example, uploader: Uploader, tally: Tally, *, batch: int
) -> None:
    rule = "─" * 60
    _say(
        f"\n{rule}\n  Clew is at   {clew.url}\n{rule}\n\n"
        f"Some recordings fail on purpose: the pages tell why. Data and logs are in {options.data}.\n"
        f"A recording is uploaded every {options.every:g} s. Ctrl-C ends everything.\n"
    )
    if batch > 1:
        _say(f"Uploading the first {batch} recordings, so that the pages have something to show …")
    while True:
        key = uploader.upload()
        _progress(f"{uploader.uploaded} uploads, {tally}   last: {key}")
        wake = time.monotonic() + (0.2 if uploader.uploaded < batch else options.every)
        while (left := wake - time.monotonic()) > 0:
            _check(clew, example, options.data)
            time.sleep(min(left, 0.25))


def _check(clew: ClewProcess, example: Example, data: Path) -> None:
    for name, code, log in (("Clew", clew.return_code, "clew.log"), ("The AWS", example.aws_return_code, "aws.log")):
        if code is not None:
            raise DemoError(f"{name} ended by itself (exit code {code}); {data / 'logs' / log} may say why.")


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: object) -> None:
        _ignore_signals()
        raise Stopped

    for number in SIGNALS:
        signal.signal(number, stop)


def _ignore_signals() -> None:
    """Ending takes a moment, and is not to be interrupted."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _ending() -> None:
    _ignore_signals()
    _say("\nEnding …")


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


def _progress(text: str) -> None:
    """One line that overwrites itself; nothing where that is no terminal."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text[:110]}", end="", flush=True)


def _fail(sentence: str) -> int:
    print(f"scripts/demo: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
