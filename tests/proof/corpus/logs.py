# mypy: ignore-errors
"""`logging` in all its forms; also run with Lambda's JSON log format."""

import io
import json
import logging
import logging.config
import logging.handlers
import queue
import sys
import threading


def levels(event, context):
    logger = logging.getLogger("x.y")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, level)("at %s: %d", level, 1)
    logging.getLogger().warning("root")
    return [logger.isEnabledFor(logging.INFO), logging.getLogger().level]


def own_level(event, context):
    logger = logging.getLogger("loud")
    logger.setLevel(logging.DEBUG)
    logger.debug("shown at debug")
    logger.log(5, "never")
    logging.addLevelName(25, "NOTICE")
    logger.log(25, "noticed")


def exceptions(event, context):
    logger = logging.getLogger("exceptions")
    try:
        {}["a"]
    except KeyError:
        logger.exception("failed %s", "here")
        logger.warning("with it", exc_info=True)
    logger.error("given", exc_info=ValueError("given"))


def extras(event, context):
    logging.getLogger("extras").warning(
        "with extras", extra={"order": 7, "items": [1, {"a": "b"}], "password": "hunter2"}
    )


def wrong_arguments(event, context):
    logging.getLogger("bad").warning("%d", "no number")


def odd_messages(event, context):
    class Message:
        def __str__(self):
            print("str of the message")
            return "a message"

    logger = logging.getLogger("odd")
    logger.warning(Message())
    logger.warning({"a": 1})
    logger.warning("%(a)s", {"a": 2})
    logger.warning(None)
    logger.warning(b"bytes")
    logger.warning("lines\nof\ntext")
    logger.warning("")


def own_handler(event, context):
    logger = logging.getLogger("own")
    logger.propagate = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(levelname)s|%(name)s|%(funcName)s|%(lineno)d|%(module)s|%(message)s"))
    logger.addHandler(handler)
    logger.warning("formatted")
    logger.removeHandler(handler)
    return len(logging.getLogger().handlers)


def json_formatter(event, context):
    class Json(logging.Formatter):
        def format(self, record):
            return json.dumps({"level": record.levelname, "message": record.getMessage(), "where": record.funcName})

    handler = logging.StreamHandler()
    handler.setFormatter(Json())
    logger = logging.getLogger("json")
    logger.propagate = False
    logger.handlers = [handler]
    logger.error("structured")


def filters(event, context):
    class Only(logging.Filter):
        def filter(self, record):
            print("filtered", record.getMessage())
            record.msg = "changed"
            return "keep" in str(record.args)

    logger = logging.getLogger("filters")
    only = Only()
    logger.addFilter(only)
    logger.warning("%s", "keep")
    logger.warning("%s", "drop")
    logger.removeFilter(only)


def adapters(event, context):
    adapter = logging.LoggerAdapter(logging.getLogger("adapted"), {"a": 1})
    adapter.warning("adapted")


def queues(event, context):
    records = queue.SimpleQueue()
    target = logging.StreamHandler(sys.stdout)
    listener = logging.handlers.QueueListener(records, target)
    logger = logging.getLogger("queued")
    logger.propagate = False
    logger.handlers = [logging.handlers.QueueHandler(records)]
    listener.start()
    logger.warning("through a queue")
    listener.stop()


def memory(event, context):
    target = logging.StreamHandler(sys.stdout)
    handler = logging.handlers.MemoryHandler(10, target=target)
    logger = logging.getLogger("memory")
    logger.propagate = False
    logger.handlers = [handler]
    logger.warning("kept")
    handler.flush()


def failing_handler(event, context):
    class Failing(logging.Handler):
        def emit(self, record):
            raise RuntimeError("handler failed")

    logger = logging.getLogger("failing")
    logger.propagate = False
    logger.handlers = [Failing()]
    try:
        logger.warning("x")
    except RuntimeError as error:
        return str(error)


def threads(event, context):
    thread = threading.Thread(target=logging.getLogger("threads").warning, args=("of a thread",), name="T-1")
    thread.start()
    thread.join()


def captured_warnings(event, context):
    import warnings

    logging.captureWarnings(True)
    try:
        warnings.warn("captured")
    finally:
        logging.captureWarnings(False)


def callers(event, context):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(pathname)s:%(lineno)d:%(funcName)s %(threadName)s %(processName)s"))
    logger = logging.getLogger("callers")
    logger.addHandler(handler)

    def helper():
        logger.warning("one up", stacklevel=2)

    helper()
    logger.removeHandler(handler)
    return stream.getvalue()


def custom_class(event, context):
    class Custom(logging.Logger):
        def _log(self, level, msg, args, **kwargs):
            super()._log(level, f"custom {msg}", args, **kwargs)

        def callHandlers(self, record):
            print("handing over")
            super().callHandlers(record)

    Custom("custom.one").warning("nobody hears it")
    logging.setLoggerClass(Custom)
    try:
        logging.getLogger("custom.two").warning("heard")
    finally:
        logging.setLoggerClass(logging.Logger)


def disabled(event, context):
    logging.disable(logging.ERROR)
    try:
        logging.getLogger().error("not shown")
    finally:
        logging.disable(logging.NOTSET)


def basic_config(event, context):
    """Does nothing, because the runtime has a handler."""
    logging.basicConfig(level=logging.DEBUG, format="%(message)s")
    logging.getLogger("basic").info("not shown")
    return len(logging.getLogger().handlers)


def forced_config(event, context):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
    logging.getLogger("forced").info("shown")
    root.handlers = before
    root.setLevel(level)


def configured(event, context):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": True,
            "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
            "loggers": {"configured": {"handlers": ["out"], "level": "INFO", "propagate": False}},
        }
    )
    logging.getLogger("configured").info("by a dictionary")
