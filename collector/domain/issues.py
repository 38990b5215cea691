"""Failures with one cause are one issue: what they share is the fingerprint.

Messages and stack traces are whatever a function was made to say. So every pattern here takes time in proportion to
its text: each starts at a place that few others can start from, and none looks at the same text again and again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from collector.domain.ids import hash63

MAX_FRAMES = 3
_MAX_MESSAGE = 1_000  # characters of a message that count
_MAX_NORMAL = 300  # of what is left without values: where a long message was cut depends on how long its values are
_MAX_STACKTRACE = 64 * 1024  # of characters that frames are looked for in
_MAX_PATH = 256

# What differs between two failures of one cause. One pattern, so that no replacement is searched again.
_NOISE = re.compile(
    r"""
      \b[a-z][a-z0-9+.-]{1,15}://[^\s'"`)]+                        # a URL
    | \barn:aws[a-z-]*:[^\s'"`)]+
    # A quoted value. An apostrophe within a word opens and closes nothing (can't, 'it's my file.mp3'); a quote that is
    # never closed goes on to the end, because long messages arrive cut.
    | (?: (?<!\w) | (?<=\b[bru]) ) ' (?: [^\n]*? '(?!\w) | .* )
    | " (?: [^"\n]*" | .* )
    | ` (?: [^`\n]*` | .* )
    | [“„] (?: [^”“\n]*[”“] | .* )
    | « (?: [^»\n]*» | .* )
    | 「 (?: [^」\n]*」 | .* )
    | \b[A-Za-z]:[\\/][^\s'"`)]*                                  # a path on Windows
    | (?<![\w.@/\\+-]) [\w.+-]* [/\\@] [\w.@/\\+-]* (?: \?[^\s'"`)]* )?  # a path with its query, an e-mail address
    | \beyJ[\w-]+(?:\.[\w-]+)*                                   # a token (JWT)
    | \b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b     # a UUID
    | \b[0-9a-fA-F]{8,}\b                                         # a digest, even one of letters alone
    | \b\d{4}-\d\d-\d\d[T ]\d\d:\d\d (?: :\d\d(?:\.\d+)? )? (?: Z | [+-]\d\d:?\d\d )?
    # A day as mail, logs and ctime write it.
    | \b(?: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?[ ]++ )? (?: \d{1,2}[ ]++ )?
      (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?[ ]++\d{1,4}
      (?: ,?[ ]++\d\d:\d\d(?::\d\d)? )? (?: ,?[ ]++\d{4} )?
    | (?<![\w:]) (?:[0-9a-fA-F]{1,4}::?){2,7} [0-9a-fA-F]{0,4} (?![\w:])  # an IPv6 address, a time of day
    | (?<=[\w\]]=) (?: [^\s,;&)\]}'"`<] | ,(?=\d) )+                # name=value
    | (?: (?<![\w)\]]) [+-] )? \b\d+(?:[.,]\d+)* (?: [eE][+-]\d+ )? \w*  # a number, with its unit
    | \b[^\W\d_]{1,10}-\d[\w-]*                                  # A-1001, Thread-12
    | \b[^\W\d]*\d\w*={0,2}                                     # a word with a digit in it: an id of any alphabet
    """,
    re.VERBOSE,
)
# What is left of lists and maps: however many values they have.
_VALUES = r"(?: (?:<>|None|True|False|null|true|false)++ \s*+ [,:=]?+ \s*+ )*+"
_COLLECTION = re.compile(rf"\[ \s*+ {_VALUES} \] | \{{ \s*+ {_VALUES} \}} | \( \s*+ (?=<) {_VALUES} \)", re.VERBOSE)
_MAX_DEPTH = 4  # of lists and maps in one another
# Ids in the name of a type, and in paths of code that is built: `chunk-8f3ab2c1.js`.
_ID = re.compile(r"(?<![^\W_])(?:(?=[a-f]*\d)[0-9a-f]{6,}|[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}|\d{4,})(?![^\W_])")
_PYTHON_FRAME = re.compile(r'^[ \t|]*File "(?P<path>[^"\n]+)", line \d+, in (?P<where>\S+)', re.MULTILINE)
_NODE_FRAME = re.compile(
    r"^[ \t]*at (?:async )?(?:(?P<where>[^\n(]{1,256}?) \()?(?:file://)?(?P<path>[^\s():]+):\d+:\d+\)?$", re.MULTILINE
)
_FOREIGN = re.compile(
    r"site-packages|dist-packages|node_modules|^node:|^<frozen|^/var/(?:lang|runtime)/|^/opt/|/lib(?:64)?/python\d"
    r"|/tracer/clew/"  # the tracer in this project's own checkout, as the example uses it
    # A ZIP package holds its dependencies beside the handler. These are the ones that errors come out of.
    r"|^/var/task/(?:_distutils_hack|aiobotocore|aiohttp|anyio|asyncpg|attr|aws_lambda_powertools|aws_xray_sdk|boto3"
    r"|botocore|certifi|clew|django|elasticsearch|fastapi|flask|google|grpc|httpcore|httpx|jmespath|jsonschema|jwt"
    r"|mangum|marshmallow|mysql|numpy|openai|opensearchpy|opentelemetry|pandas|PIL|psycopg|psycopg2|pydantic"
    r"|pydantic_core|pymongo|pymysql|redis|requests|s3fs|s3transfer|sqlalchemy|starlette|stripe|tenacity|urllib3"
    r"|werkzeug|wrapt)/"
)
_AWS_ERROR = re.compile(
    r"An error occurred \((?P<code>[^()\s]{1,200})\) when calling the (?P<operation>\w{1,128}) operation"
)


class Frame(NamedTuple):
    path: str
    where: str


class AwsError(NamedTuple):
    code: str
    operation: str


def short_type(type: str) -> str:
    """`botocore.errorfactory.BadRequestException` as people say it."""
    return type.rpartition(".")[2] or type


def aws_error(message: str) -> AwsError | None:
    """The code and the operation that botocore's ClientError puts before AWS's own message."""
    match = _AWS_ERROR.match(message)
    return AwsError(match["code"], match["operation"]) if match else None


def first_line(message: str) -> str:
    """The first line that says something."""
    return message.lstrip().partition("\n")[0].partition("\r")[0].rstrip()[:_MAX_MESSAGE]


def normalise(message: str) -> str:
    """The message without what differs from one failure to the next: values, ids, numbers, times."""
    return _normalise_line(first_line(message))


@lru_cache(maxsize=1024)  # 100 µs for a long line, and a storm of failures says the same again and again
def _normalise_line(line: str) -> str:
    plain = _NOISE.sub("<>", line)
    for _ in range(_MAX_DEPTH):
        plain, found = _COLLECTION.subn("<>", plain)
        if not found:
            break
    return plain[:_MAX_NORMAL]


def is_own(path: str) -> bool:
    """Whether a frame's file is the user's own code, not a library's, the runtime's or the tracer's."""
    return not _FOREIGN.search(path)


def own_frames(stacktrace: str) -> tuple[Frame, ...]:
    """The innermost frames of the user's own code, innermost first; those of all where none is the user's own.

    Line numbers are left out, so that an edit elsewhere in the file does not make a new issue.
    """
    # Python prints the innermost frame last, Node first: the end is cut off that says least.
    frames = [Frame(*match) for match in _PYTHON_FRAME.findall(stacktrace[-_MAX_STACKTRACE:])]
    frames.reverse()
    if not frames:
        frames = [Frame(path, where) for where, path in _NODE_FRAME.findall(stacktrace[:_MAX_STACKTRACE])]
    own = [frame for frame in frames if is_own(frame.path)] or frames
    return tuple(Frame(_short_path(frame.path), _plain(frame.where)) for frame in own[:MAX_FRAMES])


def culprit_of(frames: Sequence[Frame]) -> str | None:
    """Where in the user's own code it failed, for who reads it."""
    if not frames:
        return None
    innermost = frames[0]
    return f"{innermost.path} in {innermost.where}" if innermost.where else innermost.path


def fingerprint(function_id: int, type: str, message: str, frames: tuple[Frame, ...]) -> int:
    """The issue's id."""
    parts = [str(function_id), _ID.sub("<>", type), normalise(message)]
    parts.extend(f"{_ID.sub('<>', frame.path)}:{frame.where}" for frame in frames)
    return hash63("issue", *parts)


def _short_path(path: str) -> str:
    """Relative to the function's code; elsewhere the last two parts, the same on every machine."""
    path = path.replace("\\", "/")
    if path.startswith("/var/task/"):
        return _plain(path.removeprefix("/var/task/"))
    return _plain("/".join(path.rsplit("/", 2)[-2:]))


def _plain(name: str) -> str:
    """Short enough for a line, and without NUL, which PostgreSQL cannot hold."""
    return name[:_MAX_PATH].replace("\x00", "\N{REPLACEMENT CHARACTER}")
