"""Why Clew does not start, or not do what it was told to, beside what the store has to say (`collector.store.errors`).

    StartError
    ├── InvalidSetting      a setting's value cannot be used
    ├── RefusedAddress      the address is not of this machine alone
    ├── CannotListen        the port is taken, or may not be used
    ├── LayerError          a Lambda layer cannot be built
    └── CannotRun           a function cannot be run on this machine

Messages are one sentence for whoever started the program.
"""

from __future__ import annotations


class StartError(Exception):
    pass


class InvalidSetting(StartError):
    pass


class RefusedAddress(StartError):
    pass


class CannotListen(StartError):
    pass


class LayerError(StartError):
    pass


class CannotRun(StartError):
    pass
