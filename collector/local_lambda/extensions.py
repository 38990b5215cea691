"""The Extensions API 2020-01-01: who registered, for what, and who has asked for the next event."""

from __future__ import annotations

import queue
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from collector.local_lambda.events import ExtensionFailed, ExtensionReady, SandboxEvent
from collector.local_lambda.refusal import Refusal

MAXIMUM = 10
INVOKE, SHUTDOWN = "INVOKE", "SHUTDOWN"


@dataclass
class Extension:
    """One registered extension. Internal ones live in the runtime's process, external ones in their own."""

    name: str
    is_external: bool
    events: tuple[str, ...]
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    waits: bool = False  # it has asked for the next event and has not got one yet
    failed: bool = False
    _handed: queue.SimpleQueue[dict[str, Any] | None] = field(default_factory=queue.SimpleQueue)

    @property
    def state(self) -> str:
        return "Failed" if self.failed else "Ready" if self.waits else "Registered"


class Extensions:
    """The extensions of one environment. Safe to use from many threads."""

    def __init__(self, external: Collection[str], report: Callable[[SandboxEvent], None]) -> None:
        """`external` names the executables that were started; `report` is told what extensions do."""
        self._external = frozenset(external)
        self._report = report
        self._lock = Lock()
        self._open = True
        self._by_identifier: dict[str, Extension] = {}

    @property
    def all(self) -> list[Extension]:
        """In the order of their registration."""
        with self._lock:
            return list(self._by_identifier.values())

    def register(self, name: str | None, body: Any) -> Extension:
        """Take a registration: the JSON body says which events.

        Raises:
            Refusal: no name, a second registration, too many, too late, or an event that is not to be had.
        """
        if not name:
            raise Refusal("Extension.InvalidExtensionName", "Empty extension name")
        events = body.get("events", []) if isinstance(body, dict) else None
        if not isinstance(events, list):
            raise Refusal("InvalidRequestFormat", "The body is to be an object with a list of events")
        is_external = name in self._external
        allowed = (INVOKE, SHUTDOWN) if is_external else (INVOKE,)
        for event in events:
            if event not in allowed:
                kind = "external" if is_external else "internal"
                raise Refusal("Extension.InvalidEventType", f"{event}: an {kind} extension cannot have this event")
        with self._lock:
            if not self._open:
                raise Refusal("Extension.RegistrationClosed", "INIT is over, so that nothing can register any more")
            if any(extension.name == name for extension in self._by_identifier.values()):
                raise Refusal("Extension.InvalidExtensionState", "An extension of this name is registered already")
            if len(self._by_identifier) >= MAXIMUM:
                raise Refusal("Extension.TooManyExtensions", f"There are {MAXIMUM} extensions already")
            extension = Extension(name, is_external, tuple(dict.fromkeys(events)))
            self._by_identifier[extension.identifier] = extension
        return extension

    def close_registration(self) -> None:
        """To be called when the runtime has asked for its first invocation."""
        with self._lock:
            self._open = False

    def find(self, identifier: str | None) -> Extension:
        """The extension with that `Lambda-Extension-Identifier`.

        Raises:
            Refusal: the identifier is missing, is no UUID, or nobody's.
        """
        if not identifier:
            raise Refusal("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
        try:
            key = str(uuid.UUID(identifier))
        except ValueError:
            raise Refusal("Extension.InvalidExtensionIdentifier", "Lambda-Extension-Identifier is no UUID") from None
        with self._lock:
            try:
                return self._by_identifier[key]
            except KeyError:
                raise Refusal("Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}") from None

    def next(self, extension: Extension) -> dict[str, Any] | None:
        """Wait for the extension's next event; None when the environment ends.

        Raises:
            Refusal: it waits already, or reported that it failed.
        """
        with self._lock:
            if extension.waits or extension.failed:
                raise Refusal("Extension.InvalidExtensionState", f"{extension.name} is {extension.state}")
            extension.waits = True
        self._report(ExtensionReady(extension.name))
        event = extension._handed.get()
        if event is None:
            extension._handed.put(None)
        return event

    def fail(self, extension: Extension, kind: str, error_type: str | None) -> None:
        """Take an `init` or `exit` error.

        Raises:
            Refusal: the error's type is missing, or `init` comes after the first Next.
        """
        if not error_type:
            raise Refusal("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
        with self._lock:
            if kind == "init" and (extension.waits or not self._open):
                raise Refusal("Extension.InvalidExtensionState", f"{extension.name} is {extension.state}")
            extension.failed = True
        self._report(ExtensionFailed(extension.name, f"Extension.{kind.capitalize()}Error", error_type))

    def all_wait(self, names: Collection[str] = ()) -> bool:
        """Whether all that registered have asked for the next event, and those that `names` holds have registered."""
        with self._lock:
            known = {extension.name for extension in self._by_identifier.values()}
            return known.issuperset(names) and all(extension.waits for extension in self._by_identifier.values())

    def hand_over(self, kind: str, event: dict[str, Any], first: Callable[[], None] | None = None) -> list[Extension]:
        """Give the event to all that asked for its kind, and return them; `first` is called before they have it."""
        with self._lock:
            given = [extension for extension in self._by_identifier.values() if kind in extension.events]
            for extension in given:
                extension.waits = False
        if first is not None:
            first()
        for extension in given:
            extension._handed.put(event)
        return given

    def release(self) -> None:
        """Let go of everybody who waits: the environment ends."""
        for extension in self.all:
            extension._handed.put(None)
