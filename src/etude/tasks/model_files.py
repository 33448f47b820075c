"""The files of a model's folder, which may come from anybody: what they must be before any of them is used."""

import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from etude.artifacts import catalog
from etude.config.names import check_name, is_name
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, require_digest
from etude.core.memory import in_words, total_memory

WEIGHTS, OBSERVED = "model.safetensors", "observed.npz"
MOST_BYTES = 64_000_000  # of any other file, and of all arrays of observed.npz
MOST_ARRAYS = 64
READ = (".json", ".npz", ".safetensors")  # what a folder is read from
# Caches keep files under their digests, and folders with links to these: DVC's, and that of the Hugging Face Hub.
CACHED = re.compile(r".*/(files/md5/[0-9a-f]{2}/[0-9a-f]{30}|blobs/[0-9a-f]{40,64})")


def read_config(folder: Path, made_by: str) -> Json:
    """The config.json of a model's folder, as ``write_model`` writes it. Raises EtudeError where it is another file."""
    file = folder / catalog.CONFIG
    if not file.exists() and not file.is_symlink():
        raise EtudeError(f"{file} does not exist. Make it with: {made_by}")
    require_file(file, MOST_BYTES, made_by)
    config = read_json(file, made_by)
    kinds = {"name": str, "key": str, "model": dict, "representation": dict, "sha256": dict}
    whole_config = isinstance(config, dict) and all(isinstance(config.get(key), kind) for key, kind in kinds.items())
    if not whole_config or not {WEIGHTS, OBSERVED} <= set(config["sha256"]):
        raise EtudeError(f"{file} is not that of a trained model. Make it with: {made_by}")
    assert isinstance(config, dict)
    check_name(config["name"], f"{file}: name")
    if "name" in config["representation"]:
        check_name(config["representation"]["name"], f"{file}: representation.name")
    generate = config["model"].get("generate")
    if not isinstance(generate, dict | None):
        raise EtudeError(f"{file}: model.generate must be a section of keys. Make it with: {made_by}")
    for name, expected in config["sha256"].items():
        if not is_name(name) or not isinstance(expected, str):
            raise EtudeError(
                f"{file}: sha256 has {name[:60]!r}: {str(expected)[:60]!r}. It must name files next to it, each with "
                f"its digest. Make it with: {made_by}"
            )
    return config


def require_files(folder: Path, config: Mapping[str, Any], made_by: str) -> None:
    """Raise EtudeError unless the files of a model's folder are those that its config.json names.

    Each is a plain file of a bounded size, in the folder itself or in a cache that names files by their digests.
    """
    named = {folder / name for name in config["sha256"]}
    for file in sorted(named | {file for file in folder.iterdir() if file.suffix in READ}):
        if file.is_file() or file not in named:
            require_file(file, total_memory() if file.name == WEIGHTS else MOST_BYTES, made_by)
    for name, expected in config["sha256"].items():
        require_digest(folder / name, expected, made_by)


def require_file(file: Path, most: int, made_by: str) -> None:
    """Raise EtudeError unless a file is a plain one of ``most`` bytes at most, and no link to just any other."""
    try:
        target = file.resolve(strict=True)
        facts = target.stat()
    except (OSError, RuntimeError) as error:  # it leads nowhere, or in a circle
        reason = getattr(error, "strerror", None) or "its link leads in a circle"
        raise EtudeError(f"{file} cannot be read ({reason}). Make it with: {made_by}") from None
    inside = target.is_relative_to(file.parent.resolve()) or CACHED.fullmatch(target.as_posix())
    if not stat.S_ISREG(facts.st_mode) or not inside:
        what = "is no file" if inside else "is a link that leads out of its folder"
        raise EtudeError(f"{file} {what}. A model's folder holds its files itself. Make it with: {made_by}")
    if facts.st_size > most:
        raise EtudeError(
            f"{file} has {in_words(facts.st_size)}, {in_words(most)} is the most here. Make it with: {made_by}"
        )


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of numbers that ``save_arrays`` wrote, none of which is larger than the file says.

    Raises:
        EtudeError: an array is of something else, is too large, or has a number that is not finite.
        ValueError, KeyError, EOFError, zipfile.BadZipFile: the file is damaged.
    """
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if len(entries) > MOST_ARRAYS or size > MOST_BYTES:
            raise EtudeError(
                f"{file} holds {len(entries)} arrays of {in_words(size)}; {MOST_ARRAYS} of {in_words(MOST_BYTES)} are "
                "the most. It is not that of a training."
            )
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as stream:
                version = npy.read_magic(stream)
                read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, kind = read_header(stream)
                count = 1
                for length in shape:
                    count *= length  # of any size: no overflow
                if kind.kind not in "biuf" or min(shape, default=0) < 0:
                    raise EtudeError(f"{file}: {name[:60]} is no array of numbers, but of {kind}.")
                if count * kind.itemsize != entry.file_size - stream.tell():
                    raise EtudeError(f"{file}: {name[:60]} has not as many numbers as its shape {shape} says.")
            with archive.open(entry) as stream:
                array = npy.read_array(stream, allow_pickle=False)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise EtudeError(f"{file}: {name[:60]} has a number that is not finite.")
            found[name] = array
    return found


def check_observed(observed: Mapping[str, NDArray[Any]], representation: Any, file: Path) -> None:
    """Raise EtudeError unless arrays are such as a representation observes: by names, types and shapes."""
    expected: Mapping[str, NDArray[Any]] = representation.observe([])
    if set(observed) != set(expected):
        raise EtudeError(
            f"{file} holds {', '.join(sorted(observed)) or 'nothing'}, {representation.name} has "
            f"{', '.join(sorted(expected)) or 'nothing'} there."
        )
    for name, like in expected.items():
        array = observed[name]
        rows = like.shape[:1] if like.shape[:1] != (0,) else array.shape[:1]  # of no train pieces, or of any number
        if array.dtype != like.dtype or array.shape != rows + like.shape[1:]:
            raise EtudeError(
                f"{file}: {name} is {array.dtype} of shape {array.shape}, {representation.name} has {like.dtype} of "
                f"shape {like.shape} there."
            )
    if "controls" in observed and observed["controls"].size and observed["controls"].max() >= representation.vocabulary:
        raise EtudeError(f"{file}: controls has a token that {representation.name} does not have.")
    if "ends" in observed:
        ends, pieces = observed["ends"], observed["known" if "known" in observed else "rows"]
        if (np.diff(ends, prepend=0) < 0).any() or (int(ends[-1]) if len(ends) else 0) != len(pieces):
            raise EtudeError(f"{file}: ends are not the ends of pieces.")
