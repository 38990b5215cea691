"""A function's layers, unpacked together: what Lambda shows as /opt."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

OPT = "/opt"


class LayerRoot:
    """The layers' files in a temporary directory of their own, which stands for /opt, until `close`.

    /opt itself is not touched, so a program of a layer that names it by its full path does not find it;
    `place` translates where we can: in the function's variables.
    """

    def __init__(self, layers: Sequence[Path]) -> None:
        """Unpack them one over the other.

        Raises:
            FileNotFoundError: one is not there.
            zipfile.BadZipFile: one is no zip, or holds a symbolic link.
        """
        self.path = Path(tempfile.mkdtemp(prefix="clew-opt-"))
        try:
            for layer in layers:
                if layer.is_dir():
                    shutil.copytree(layer, self.path, symlinks=True, dirs_exist_ok=True)
                else:
                    _unzip(layer, self.path)
        except BaseException:
            self.close()
            raise

    def extensions(self) -> list[Path]:
        """The external extensions: every executable file in `extensions`."""
        folder = self.path / "extensions"
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.is_file() and os.access(path, os.X_OK))

    def place(self, value: str) -> str:
        """A variable's value, with this directory where a path, or one of several with colons between, is in /opt."""
        parts = value.split(os.pathsep)
        return os.pathsep.join(
            f"{self.path}{part[len(OPT) :]}" if part == OPT or part.startswith(f"{OPT}/") else part for part in parts
        )

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _unzip(archive: Path, folder: Path) -> None:
    """As `unzip` does: with the files' permissions, and nothing outside the folder."""
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            mode = member.external_attr >> 16
            if stat.S_ISLNK(mode):
                # It could lead anywhere, and what follows would be written there.
                raise zipfile.BadZipFile(f"{archive} holds a link: {member.filename}")
            path = Path(opened.extract(member, folder))
            if mode and path.is_file():
                path.chmod(stat.S_IMODE(mode) | stat.S_IRUSR)
