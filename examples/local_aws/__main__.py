"""The process of the emulated AWS: `python -m examples.local_aws <listening socket's number> <settings as JSON>`."""

from __future__ import annotations

import logging
import os
import socket
import sys
from threading import Thread

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from examples.local_aws.application import LocalAws
from examples.local_aws.settings import AwsSettings


def main() -> None:
    descriptor, settings = int(sys.argv[1]), AwsSettings.from_json(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    with socket.socket(fileno=os.dup(descriptor)) as listening:
        host, port = listening.getsockname()
    application = LocalAws(f"http://{host}:{port}", settings)
    Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    make_server(
        host, port, application, threaded=True, request_handler=MotoRequestHandler, fd=descriptor
    ).serve_forever()


def _end_with_parent() -> None:
    """Whoever started this process holds the other end of its standard input, and so never leaves it behind."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
