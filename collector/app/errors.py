"""Why Clew does not start, or not do what it was told to, beside what the store has to say (`collector.store.errors`).

    StartError
    ├── InvalidSetting      a setting's value cannot be used
    ├── CannotListen        the port is taken, or may not be used
    ├── CannotChange        what a command was to change cannot be changed so
    ├── LayerError          a Lambda layer cannot be built
    └── CannotRun           a function cannot be run on this machine

Messages are one sentence for whoever started the program.
"""

from __future__ import annotations


class StartError(Exception):
    pass


class InvalidSetting(StartError):
    pass


class CannotListen(StartError):
    pass


class CannotChange(StartError):
    pass


class LayerError(StartError):
    pass


class CannotRun(StartError):
    pass
