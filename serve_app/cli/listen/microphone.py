"""A microphone in, blocks of PCM16 at 16 kHz out; `sounddevice`, an extra, does the hearing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import av
import numpy as np

from serve_app.cli.listen.recording import RATE_HZ

_BLOCK_S = 0.04
_MAX_WAITING = 3_000
"""Blocks that nobody has taken yet: two minutes, while a connection is being made again."""


class MicrophoneError(Exception):
    """`str(error)` says what to do about it."""


def device_table() -> str:
    """All devices, as PortAudio lists them.

    Raises:
        MicrophoneError: there is nothing that could list them, or nothing to be listed.
    """
    devices = _sounddevice().query_devices()
    if not any(device["max_input_channels"] for device in devices):
        raise MicrophoneError(_NO_DEVICE)
    return str(devices)


async def microphone(device: str | None) -> AsyncIterator[bytes]:
    """What `device` hears: a number or a part of its name; the system's choice where None.

    Raises:
        MicrophoneError: it cannot be heard, or what it hears is not taken.
    """
    sounddevice = _sounddevice()
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[bytes] = asyncio.Queue(_MAX_WAITING)
    rate_hz = _rate_hz(sounddevice, device)
    at_16_khz = _Resampler(rate_hz)

    def on_sound(block: Any, num_frames: int, times: Any, status: Any) -> None:
        loop.call_soon_threadsafe(put, bytes(block))

    def put(block: bytes) -> None:
        if not heard.full():
            heard.put_nowait(block)

    try:
        stream = sounddevice.RawInputStream(
            samplerate=rate_hz,
            blocksize=round(rate_hz * _BLOCK_S),
            device=_named(device),
            channels=1,
            dtype="int16",
            callback=on_sound,
        )
    except sounddevice.PortAudioError as error:
        raise MicrophoneError(f"the microphone cannot be opened: {error}") from error
    with stream:
        while True:
            block = at_16_khz(await heard.get())
            if heard.full():
                raise MicrophoneError("the server takes less than is spoken; words would be lost")
            if block:
                yield block


class _Resampler:
    """For devices that do not record at 16 kHz."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)

    def __call__(self, block: bytes) -> bytes:
        if self._rate_hz == RATE_HZ:
            return block
        samples = np.frombuffer(block, np.int16)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        pieces = self._resampler.resample(frame)
        return b"".join(piece.to_ndarray().tobytes() for piece in pieces)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise MicrophoneError(
            "a microphone needs one more package: pip install 'chorus-speech[mic]' "
            "(or `pip install sounddevice`); `chorus listen FILE` does without"
        ) from error
    except OSError as error:
        raise MicrophoneError(
            f"{error}: install PortAudio (Debian and Ubuntu: apt-get install libportaudio2)"
        ) from error
    return sounddevice


def _rate_hz(sounddevice: Any, device: str | None) -> int:
    """16 kHz where the device knows it, else what it likes best."""
    named = _named(device)
    try:
        found = sounddevice.query_devices(named, "input")
    except (ValueError, sounddevice.PortAudioError) as error:
        if device is None:
            raise MicrophoneError(_NO_DEVICE) from error
        raise MicrophoneError(f"{error}; `chorus listen --list-devices` shows them") from error
    try:
        sounddevice.check_input_settings(named, channels=1, dtype="int16", samplerate=RATE_HZ)
    except sounddevice.PortAudioError:
        return int(found["default_samplerate"])
    return RATE_HZ


def _named(device: str | None) -> int | str | None:
    return int(device) if device is not None and device.isdigit() else device


_NO_DEVICE = (
    "this machine has no microphone (or its sound server does not run); "
    "`chorus listen FILE` streams a recording"
)
