"""A checkpoint that would run or reach more than a model is refused before NeMo opens it."""

import io
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from serve_app.config import ModelConfig
from serve_app.errors import ConfigError
from serve_app.models.inspection import UnsafeCheckpointError, inspect_checkpoint
from serve_app.models.loader import PROJECT_ROOT, load_recognizer, require_safe_surroundings
from tests.models import random_canary

CONFIG: Mapping[str, Any] = {
    "target": "nemo.collections.asr.models.EncDecCTCModelBPE",
    "encoder": {"_target_": "nemo.collections.asr.modules.ConformerEncoder"},
    "decoder": {"_target_": "nemo.collections.asr.modules.transformer.get_nemo_transformer"},
    "activation": {"_target_": "torch.nn.ReLU"},
    "tokenizer": {"model_path": "nemo:abc_tokenizer.model"},
}


class Touch:
    """Unpickled, it makes the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def weights(state: object = None) -> bytes:
    file = io.BytesIO()
    state = (
        OrderedDict(layer=torch.zeros(2, 3), half=torch.zeros(1).half()) if state is None else state
    )
    torch.save(state, file)
    return file.getvalue()


def zipped(pickled: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return file.getvalue()


WEIGHTS = weights()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def checkpoint(
    folder: Path,
    *more: tuple[tarfile.TarInfo, bytes],
    config: object = CONFIG,
    state: bytes = WEIGHTS,
    mode: str = "w",
) -> Path:
    """A `.nemo` of a configuration, weights and whatever more there is."""
    text = config if isinstance(config, bytes) else yaml.safe_dump(config).encode()
    own = [(member("./model_config.yaml"), text), (member("./model_weights.ckpt"), state)]
    path = folder / "it.nemo"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # modes are literals
        for info, content in (*own, *more):
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def with_setting(**settings: object) -> dict[str, object]:
    return {**CONFIG, **settings}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_harmless_checkpoint_passes(tmp_path: Path, mode: str) -> None:
    inspect_checkpoint(checkpoint(tmp_path, (member("./a_tokenizer.model"), b"\n\x05"), mode=mode))


def test_the_checkpoints_that_we_ship_and_those_that_nemo_writes_pass(tmp_path: Path) -> None:
    for name in ("parakeet-tiny", "parakeet-streaming-tiny", "canary-tiny"):
        inspect_checkpoint(PROJECT_ROOT / f"tiny/weights/{name}.nemo")
    path = tmp_path / "canary.nemo"
    random_canary.build(tmp_path / "tokenizers").save_to(str(path))
    inspect_checkpoint(path)


MEMBERS: Mapping[str, tuple[tarfile.TarInfo, str]] = {
    "a path upwards": (member("../evil.py"), "leaves its folder"),
    "a path down and up": (member("a/../../evil.py"), "leaves its folder"),
    "an absolute path": (member("/tmp/evil.py"), "leaves its folder"),
    "a path of another system": (member("..\\evil.py"), "leaves its folder"),
    "a symbolic link": (member("a", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "a hard link": (member("a", tarfile.LNKTYPE, "model_config.yaml"), "is a link"),
    "a device": (member("a", tarfile.CHRTYPE), "a device"),
    "a pipe": (member("a", tarfile.FIFOTYPE), "no plain file"),
    "a second configuration": (member("model_config.yaml"), "twice"),
    "second weights": (member("./x/../model_weights.ckpt"), "twice"),
}


@pytest.mark.parametrize("what", MEMBERS)
def test_an_archive_that_leaves_its_folder_or_lies_is_refused(what: str, tmp_path: Path) -> None:
    info, reason = MEMBERS[what]
    with pytest.raises(UnsafeCheckpointError, match=reason):
        inspect_checkpoint(checkpoint(tmp_path, (info, b"")))


CONFIGS: Mapping[str, tuple[object, str]] = {
    "an old name of the class": (with_setting(cls="os.system", params={}), "would call"),
    "an old name, deep": (with_setting(x=[{"target": "os.system", "params": {}}]), "would call"),
    "an order to Python": (b"a: !!python/object/apply:os.system [id]", "no plain YAML"),
    "no YAML": (b"a: [", "no plain YAML"),
    "a hundred thousand levels": (b"[" * 100_000, "no plain YAML"),
    "a function that writes files": (
        with_setting(
            spec_augment={
                "_target_": "nemo.collections.asr.parts.utils.diarization_utils.write_txt",
                "w_path": "pwned.py",
                "val": "import os",
            }
        ),
        "would call",
    ),
    "a tokenizer with code of its own": (
        with_setting(
            spec_augment={
                "_target_": "nemo.collections.common.tokenizers.huggingface.auto_tokenizer"
                ".AutoTokenizer",
                "pretrained_model_name": "us/it",
                "trust_remote_code": True,
            }
        ),
        "would (call|fetch)",
    ),
    "a file elsewhere": (with_setting(tokenizer={"dir": "nemo:../../etc"}), "would read"),
    "a file by its path": (with_setting(tokenizer={"dir": "nemo:/etc/passwd"}), "would read"),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_configuration_that_reaches_out_is_refused(what: str, tmp_path: Path) -> None:
    config, reason = CONFIGS[what]
    path = checkpoint(tmp_path, config=config)
    with pytest.raises(UnsafeCheckpointError, match=reason):
        inspect_checkpoint(path)
    with pytest.raises(ConfigError, match="is refused"):
        load_recognizer(ModelConfig(name="m", kind="parakeet", checkpoint=str(path)))


def test_aliases_of_aliases_cost_no_time(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60)]
    inspect_checkpoint(checkpoint(tmp_path, config="\n".join(lines).encode()))


STATES: Mapping[str, tuple[Callable[[Path], bytes], str]] = {
    "an order in torch's archive": (lambda at: weights({"x": Touch(at)}), r"posix.system"),
    "an order by a newer protocol": (
        lambda at: zipped(pickle.dumps(Touch(at), protocol=4)),
        "STACK_GLOBAL",
    ),
    "an order by the oldest protocol": (
        lambda at: zipped(b"(S'touch " + os.fsencode(at) + b"'\nios\nsystem\n."),
        "INST",
    ),
    "a bare pickle": (lambda at: pickle.dumps(Touch(at)), "no archive"),
    "a whole module": (lambda at: weights(torch.nn.Linear(1, 1)), "more than tensors"),
    "arrays": (lambda at: weights({"x": torch.zeros(1).numpy()}), "more than tensors"),
    "a pickle that ends too early": (lambda at: zipped(b"\x80\x02}q"), "damaged"),
    "an archive without a pickle": (
        lambda at: zipped(b"").replace(b".pkl", b".txt"),
        "not as torch",
    ),
    "noise": (lambda at: b"\xff" * 999, "no archive"),
    "nothing": (lambda at: b"", "no archive"),
}


@pytest.mark.parametrize("what", STATES)
def test_weights_that_are_more_than_tensors_are_refused_and_run_nothing(
    what: str, tmp_path: Path
) -> None:
    make, reason = STATES[what]
    path = checkpoint(tmp_path, state=make(tmp_path / "touched"))
    config = ModelConfig(name="m", kind="parakeet", checkpoint=str(path))
    with pytest.raises(UnsafeCheckpointError, match=reason):
        inspect_checkpoint(path)
    with pytest.raises(ConfigError, match="is refused"):
        load_recognizer(config)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [pickle.dumps({}), WEIGHTS])
def test_a_pickle_under_any_other_name_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpointError, match="nobody needs"):
        inspect_checkpoint(checkpoint(tmp_path, (member("a_tokenizer.model"), content)))


def test_a_checkpoint_without_its_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "it.nemo"
    with tarfile.open(path, "w") as archive:
        archive.addfile(member("readme.txt"))
    with pytest.raises(UnsafeCheckpointError, match=r"no \.yaml"):
        inspect_checkpoint(path)


@pytest.mark.parametrize("header", ["GNU.sparse.map", "GNU.sparse.size"])
def test_an_archive_whose_headers_are_no_numbers_is_refused(header: str, tmp_path: Path) -> None:
    info = member("a")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", header: "x"}
    path = tmp_path / "it.nemo"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(ConfigError, match="is no NeMo checkpoint"):
        load_recognizer(ModelConfig(name="m", kind="parakeet", checkpoint=str(path)))


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpointError, match="far more"):
        inspect_checkpoint(checkpoint(tmp_path, (member("a"), bytes(1 << 22)), mode="w:gz"))


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_torch_may_not_be_told_to_trust_weights(value: str) -> None:
    with pytest.raises(ConfigError, match="what weights say"):
        require_safe_surroundings({"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": value})


def test_versions_with_known_holes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    require_safe_surroundings({})
    for package, old in (("nemo_toolkit", "2.9.1"), ("ray", "2.59.9")):
        with monkeypatch.context() as patched:
            patched.setattr(
                "importlib.metadata.version",
                lambda name, package=package, old=old: old if name == package else "99.0",
            )
            with pytest.raises(ConfigError, match=f"{package} {old} has known holes"):
                require_safe_surroundings({})


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, with room for the file of `us/it`: what is there needs no network."""
    from huggingface_hub import constants

    folder = tmp_path / "models--us--it"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("c0ffee")
    snapshot = folder / "snapshots/c0ffee"
    snapshot.mkdir(parents=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return snapshot / "it.nemo"


def test_a_checkpoint_from_a_hub_is_verified_and_inspected_too(hub: Path, tmp_path: Path) -> None:
    own = PROJECT_ROOT / "tiny/weights/parakeet-tiny.nemo"
    hub.symlink_to(own)
    config = ModelConfig(name="m", kind="parakeet", checkpoint="us/it", max_chunk_s=1.0)
    assert load_recognizer(config).info.name == "m"
    with pytest.raises(ConfigError, match="not the configured"):
        load_recognizer(config.model_copy(update={"sha256": "0" * 64}))
    hub.unlink()
    hub.symlink_to(checkpoint(tmp_path, config=with_setting(cls="os.system")))
    with pytest.raises(ConfigError, match=r"models.m.checkpoint: .*would call 'os.system'"):
        load_recognizer(config)
