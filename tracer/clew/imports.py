"""Does something when a module has been imported, and not earlier: nothing is imported from here."""

from __future__ import annotations

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any

from clew.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_waiting: dict[str, list[Callable[[], None]]] = {}


def when_imported(module: str, call: Callable[[], None]) -> None:
    """Call it once the module's code has run: now, if it has. What it raises is said once and goes no further."""
    if module in sys.modules:
        with Guard(f"after the import of {module}"):
            call()
        return
    _waiting.setdefault(module, []).append(call)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def has_instrumentations() -> bool:
    """Whether one of OpenTelemetry's instrumentations is installed: their common folder is there. Takes 5 µs."""
    import opentelemetry  # noqa: PLC0415  # not for a function whose tracing is off

    folders = [os.path.join(folder, "instrumentation") for folder in opentelemetry.__path__]  # noqa: PTH118
    return any(map(os.path.isdir, folders))  # 2 µs, pathlib 30


class _Finder(MetaPathFinder):
    """Has the others find the module, and looks on while it is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _waiting:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Watching(spec.loader)
                return spec
        return None


_FINDER = _Finder()


class _Watching(Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        for call in _waiting.pop(module.__name__, ()):
            with Guard(f"after the import of {module.__name__}"):
                call()
