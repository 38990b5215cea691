# mypy: ignore-errors
"""What a handler may return, and what it may do to its event. Odd on purpose."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import io
import pathlib
import types
import uuid


def none(event, context):
    return None


def text(event, context):
    return "ä\u2028\x00💥"


def lone_surrogate(event, context):
    return {"a": "\ud800"}


def raw_bytes(event, context):
    return b"\x00raw\xff"


def nested_bytes(event, context):
    return {"a": b"x"}


def byte_array(event, context):
    return bytearray(b"abc")


def echo(event, context):
    return event


def numbers(event, context):
    return [0, -1, 2**70, 1.5, 1e400, -1e400, float("nan"), True, 1e-320]


def decimals(event, context):
    return [decimal.Decimal("1.10"), decimal.Decimal("1E+400")]


def a_set(event, context):
    return {1}


def dates(event, context):
    return {"at": datetime.datetime(2026, 1, 1)}


def generator(event, context):
    yield 1


def generated(event, context):
    return (n for n in range(3))


async def coroutine_function(event, context):
    return 1


def tuple_key(event, context):
    return {(1, 2): 3}


def odd_keys(event, context):
    return {1: 2, None: 3, True: 4, 1.5: 5}


def circular(event, context):
    loop = []
    loop.append(loop)
    return loop


def deep(event, context):
    value = None
    for _ in range(900):
        value = [value]
    return value


class _Odd(dict):
    def items(self):
        raise RuntimeError("no items")


def odd_dict(event, context):
    return _Odd(a=1)


class _Loud(dict):
    """Tells of everything that is asked of it."""

    def items(self):
        print("items")
        return super().items()

    def keys(self):
        print("keys")
        return super().keys()

    def values(self):
        print("values")
        return super().values()

    def __iter__(self):
        print("iter")
        return super().__iter__()

    def __getitem__(self, key):
        print("getitem", key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        print("get", key)
        return super().get(key, default)

    def __len__(self):
        print("len")
        return super().__len__()

    def __contains__(self, key):
        print("contains", key)
        return super().__contains__(key)

    def __repr__(self):
        print("repr")
        return "loud"

    def __eq__(self, other):
        print("eq")
        return NotImplemented

    def __hash__(self):
        print("hash")
        return 1


def loud_dict(event, context):
    return _Loud(a=1, statusCode=200, body="x")


def loud_within(event, context):
    return {"statusCode": 200, "headers": _Loud(a=1)}


class _LoudList(list):
    def __iter__(self):
        print("iter")
        return super().__iter__()

    def __len__(self):
        print("len")
        return super().__len__()

    def __getitem__(self, index):
        print("getitem")
        return super().__getitem__(index)


def loud_list(event, context):
    return _LoudList([1, 2])


class _LoudText(str):
    def __str__(self):
        print("str")
        return "loud"

    def __repr__(self):
        print("repr")
        return "'loud'"

    def encode(self, *args):
        print("encode")
        return super().encode(*args)

    def __len__(self):
        print("len")
        return super().__len__()

    def __hash__(self):
        print("hash")
        return super().__hash__()

    def __eq__(self, other):
        print("eq")
        return super().__eq__(other)

    def startswith(self, *args):
        print("startswith")
        return super().startswith(*args)


def loud_text(event, context):
    return {"a": _LoudText("text"), "b": [_LoudText("more")]}


def loud_key(event, context):
    return {_LoudText("key"): 1}


class _LoudNumber(int):
    def __repr__(self):
        print("repr")
        return "7"

    __str__ = __repr__

    def __int__(self):
        print("int")
        return 7

    def __format__(self, spec):
        print("format")
        return "7"

    def __ge__(self, other):
        print("ge")
        return True


def loud_number(event, context):
    return [_LoudNumber(7), {"statusCode": _LoudNumber(500)}]


class _Anything:
    """Answers whatever is asked of it, and says so."""

    def __getattr__(self, name):
        print("asked for", name)
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: _Anything()


def anything(event, context):
    return _Anything()


def anything_within(event, context):
    return {"a": [_Anything()]}


class _Unfriendly:
    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("repr")


def unfriendly(event, context):
    return {"a": _Unfriendly()}


def default_dict(event, context):
    made = collections.defaultdict(lambda: print("made"))
    made["a"] = 1
    return made


class _Missing(dict):
    def __missing__(self, key):
        print("missing", key)
        return "there"


def missing(event, context):
    return _Missing(a=1)


def iterator(event, context):
    return {"a": iter([1, 2, 3])}


def named_tuple(event, context):
    return collections.namedtuple("P", "x y")(1, 2)


def ordered(event, context):
    return collections.OrderedDict(b=1, a=2)


def chain_map(event, context):
    return collections.ChainMap({"a": 1})


def proxy(event, context):
    return types.MappingProxyType({"a": 1})


class _Colour(enum.Enum):
    RED = 1


class _Level(enum.IntEnum):
    LOW = 1


class _Name(str, enum.Enum):
    ANNA = "anna"


def enums(event, context):
    return [_Level.LOW, _Name.ANNA, {_Name.ANNA: _Level.LOW}]


def enum_member(event, context):
    return _Colour.RED


@dataclasses.dataclass
class _Point:
    x: int = 1


def data_class(event, context):
    return _Point()


def misfits(event, context):
    return [uuid.UUID(int=1)]


def path(event, context):
    return pathlib.Path("/tmp")


def fraction(event, context):
    return fractions.Fraction(1, 2)


def an_array(event, context):
    return array.array("i", [1, 2])


def view(event, context):
    return memoryview(b"abc")


def stream(event, context):
    return io.BytesIO(b"abc")


def text_stream(event, context):
    return {"body": io.StringIO("abc")}


def function(event, context):
    return function


def exception_returned(event, context):
    return ValueError("returned")


def big_number(event, context):
    return 10**5000


def large(event, context):
    return {"x": "y" * 3_000_000, "password": "hunter2"}


def many(event, context):
    return [{"n": n, "token": "t"} for n in range(20_000)]


def http(event, context):
    return {"statusCode": 503, "headers": {"Set-Cookie": "a=b"}, "body": "no", "isBase64Encoded": False}


def batch(event, context):
    return {"batchItemFailures": [{"itemIdentifier": "1"}]}


_KEPT = {"runs": []}


def kept(event, context):
    """The same object on every run, changed in between."""
    _KEPT["runs"].append(len(_KEPT["runs"]))
    return _KEPT


def mutates(event, context):
    event["seen"] = True
    del event["case"]
    event.setdefault("deep", {"a": [1]})["a"].append(event["seen"])
    return event


def clears(event, context):
    event.clear()
    return event


def context_as_it_is(event, context):
    names = sorted(name for name in dir(context) if not name.startswith("__"))
    return [
        names,
        context.aws_request_id,
        context.function_name,
        context.memory_limit_in_mb,
        context.identity.cognito_identity_id,
        type(context).__name__,
        context.client_context,
        sorted(vars(context)),
    ]


def mutates_context(event, context):
    context.aws_request_id = None
    context.get_remaining_time_in_millis = None
    context.client_context = event
    return "done"
