"""A `.nemo` file in; nothing out, or a refusal. What is in it runs code once NeMo opens it.

A `.nemo` is a tar of configurations (YAML), weights (torch's zip around a pickle) and tokenizers.
Everything is judged without being run: no member is unpacked, no pickle loaded, no name imported.
"""

import pickletools
import posixpath
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import yaml

from serve_app.models.checkpoint_settings import unsafe_settings

CONFIG, WEIGHTS = ".yaml", ".ckpt"
_MAX_MEMBERS = 1_000
_MAX_CONFIG_BYTES = 64 << 20
_MAX_PICKLE_BYTES = 256 << 20
_MAX_EXPANSION = 20
"""How much larger than its file a compressed checkpoint may be; weights hardly shrink."""

_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"
_NO_TENSOR_NEEDS = frozenset(
    {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}
)
_TYPES = ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
_TENSOR_NAMES = frozenset(
    {
        "collections OrderedDict",
        "torch Size",
        "torch.storage UntypedStorage",
        *(f"torch._utils _rebuild_{what}" for what in ("parameter", "tensor_v2", "tensor_v3")),
        *(f"torch {kind}Storage" for kind in _TYPES),
    }
)
"""All that the weights of a model name; `torch.load(weights_only=True)` allows somewhat more."""


class UnsafeCheckpointError(ValueError):
    """A checkpoint that would run or reach what no model needs; the text says where."""


def inspect_checkpoint(path: Path) -> None:
    """Refuse `path` unless all that it would have NeMo do is to build a speech model.

    Raises:
        UnsafeCheckpointError: a member leaves its folder or is no plain file; a configuration
            names something to call but a class of a speech model, something to fetch, or a file
            outside; weights are a pickle of more than tensors.
        OSError, tarfile.TarError, ValueError, EOFError, zlib.error: it cannot be read.
    """
    with _opened(path) as archive:
        members = list(_checked_members(archive, path))
        for member, name in members:
            file = archive.extractfile(member)
            if file is None:
                continue
            if name.endswith(CONFIG):
                _check_config(file, name, member.size)
            elif name.endswith(WEIGHTS):
                _check_weights(file, name)
            elif file.read(len(_ZIP)).startswith((_PICKLE, _ZIP)):
                raise UnsafeCheckpointError(f"{name} is a pickle or an archive that nobody needs")
    found = {name for _, name in members}
    for suffix in (CONFIG, WEIGHTS):
        if not any(name.endswith(suffix) for name in found):
            raise UnsafeCheckpointError(f"it holds no {suffix} file")


def _opened(path: Path) -> tarfile.TarFile:
    """As NeMo opens it: plain, or with gzip."""
    try:
        return tarfile.open(path, "r:")  # the caller closes it
    except tarfile.ReadError:
        return tarfile.open(path, "r:gz")  # as above


def _checked_members(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """The files, each under the name that it would be unpacked as."""
    seen: set[str] = set()
    num_bytes = 0
    for member in archive:
        name = posixpath.normpath(member.name)
        if posixpath.isabs(member.name) or name.split("/")[0] == ".." or "\\" in member.name:
            raise UnsafeCheckpointError(f"{member.name!r} leaves its folder")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            raise UnsafeCheckpointError(f"{member.name!r} is a link, a device or no plain file")
        if name in seen and member.isfile():
            raise UnsafeCheckpointError(f"{member.name!r} is in it twice")
        seen.add(name)
        num_bytes += member.size
        if len(seen) > _MAX_MEMBERS or num_bytes > _MAX_EXPANSION * path.stat().st_size:
            raise UnsafeCheckpointError("it unpacks to far more than it looks like")
        if member.isfile():
            yield member, name


def _check_config(file: IO[bytes], name: str, num_bytes: int) -> None:
    if num_bytes > _MAX_CONFIG_BYTES:
        raise UnsafeCheckpointError(f"{name} takes {num_bytes:,} bytes")
    try:
        config = yaml.safe_load(file)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UnsafeCheckpointError(f"{name} is no plain YAML: {error}") from error
    for what in unsafe_settings(config):
        raise UnsafeCheckpointError(f"{name} {what}")


def _check_weights(file: IO[bytes], name: str) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            pickles = [each for each in archive.infolist() if each.filename.endswith(".pkl")]
            if len(pickles) != 1 or pickles[0].file_size > _MAX_PICKLE_BYTES:
                raise UnsafeCheckpointError(f"{name} is not as torch saves weights")
            pickled = archive.read(pickles[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UnsafeCheckpointError(
            f"{name} is no archive as torch saves weights: {error}"
        ) from error
    _check_pickle(pickled, name)


def _check_pickle(pickled: bytes, name: str) -> None:
    """Read the orders of a pickle, none of which is carried out."""
    try:
        for order, argument, _ in pickletools.genops(pickled):
            if order.name in _NO_TENSOR_NEEDS:
                raise UnsafeCheckpointError(
                    f"{name} is a pickle of more than tensors: {order.name}"
                )
            if order.name == "GLOBAL" and argument not in _TENSOR_NAMES:
                wanted = str(argument).replace(" ", ".")
                raise UnsafeCheckpointError(f"{name} is a pickle of more than tensors: {wanted}")
    except UnsafeCheckpointError:
        raise
    except ValueError as error:
        raise UnsafeCheckpointError(f"{name} is a damaged pickle: {error}") from error
