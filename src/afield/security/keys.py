"""Where the secret key comes from: the environment, or a file that only its owner can read."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from pydantic import SecretStr

from afield.errors import InvalidInputError
from afield.security.secrets import Keyring, new_key, parse_keys

KEY_FILE = "secret.key"


def load_keyring(secret_key: SecretStr | None, home: Path) -> Keyring:
    """The keys from the setting, else from the key file under `home`, which is made (mode 600) if it is missing.

    Raises InvalidInputError for a bad key, and for a key file that others can read. Reads files: not for an event loop.
    """
    if secret_key is not None:
        return Keyring(parse_keys(secret_key.get_secret_value()))
    path = home.expanduser() / KEY_FILE
    if not path.exists():
        _make(path)
    return Keyring(parse_keys(_read(path)))


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise InvalidInputError(
                f"The key file {path} can be read by others (mode {mode:o}).", hint=f"Run: chmod 600 {path}"
            )
        return file.read()


def _make(path: Path) -> None:
    """Make the file whole or not at all; where another process was faster, its key counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # mode 600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
