"""The bytes of a file in, stretches of floating-point samples out, read by FFmpeg through PyAV.

FFmpeg reads every format here. libsndfile was tried for the ones that it knows and gives less of a
damaged file: nothing of a cut FLAC, nothing after the first damage in an MP3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.plane import AudioPlane
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from serve_app.audio.codecs.formats import DECODERS, OGG, SUPPORTED, Container, ogg_links, sniff
from serve_app.audio.codecs.source import FileSource, as_file
from serve_app.errors import (
    AudioTooLongError,
    EmptyAudioError,
    UndecodableAudioError,
    UnsupportedFormatError,
)

Samples: TypeAlias = npt.NDArray[np.float32]
"""Of shape `(num_samples, num_channels)`; full scale is 1."""

MAX_CHANNELS = 64
MAX_LINKS = 1_000
"""Of a chained OGG: three days of songs from a radio station. Each costs a demuxer."""
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
"""Telephones have 8 kHz, the fastest sound cards 384 kHz."""
_OPTIONS = {
    "protocol_whitelist": "none",
    "codec_whitelist": ",".join(DECODERS),
    "threads": "1",
}
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}
"""FFmpeg's names of sample formats, planar or not, and numpy's."""
_FULL_SCALE = {"u1": 1 << 7, "i2": 1 << 15, "i4": 1 << 31, "f4": 1, "f8": 1}
_LENGTH_TOLERANCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Up to about a second of audio, with one rate and one number of channels."""

    samples: Samples
    rate_hz: int


def read(data: bytes | FileSource, *, max_audio_s: float) -> Iterator[Stretch]:
    """The audio of a whole file, in order. What is damaged or cut off is left out.

    Raises:
        EmptyAudioError: nothing is in it.
        UnsupportedFormatError: its container or codec is not accepted, or it has no audio.
        AudioTooLongError: its header says so.
        UndecodableAudioError: nothing of it can be decoded, or it has too many parts.
    """
    if not len(data):
        raise EmptyAudioError
    kind = sniff(data)
    if kind is not OGG:
        yield from _read_one(as_file(data, 0, len(data)), kind, max_audio_s)
        return
    for number, (start, end) in enumerate(ogg_links(data)):
        if number == MAX_LINKS:
            raise UndecodableAudioError(f"it is a chain of more than {MAX_LINKS:,} recordings")
        try:
            yield from _read_one(as_file(data, start, end), kind, max_audio_s)
        except UndecodableAudioError:
            if number == 0:
                raise


def _read_one(file: IO[bytes], kind: Container, max_audio_s: float) -> Iterator[Stretch]:
    options = _OPTIONS | {"probesize": str(kind.probe_bytes)}
    try:
        container = av.open(
            file, "r", format=kind.demuxer, options=options, io_open=_refuse_to_open
        )
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise UndecodableAudioError(f"its {kind.title} header is damaged or cut short") from error
    with container:
        codec = _audio_codec(container, kind)
        if kind.declares_length and container.duration is not None:
            duration_s = container.duration / av.time_base
            if duration_s > max_audio_s + _LENGTH_TOLERANCE_S:
                raise AudioTooLongError(duration_s, max_audio_s)
        yield from _stretches(_frames(container, codec, kind))


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> IO[bytes]:
    raise PermissionError("an upload may not refer to another file")


def _audio_codec(container: InputContainer, kind: Container) -> AudioCodecContext:
    """The decoder of the first audio stream, if it is one of those that may run."""
    if not container.streams.audio:
        raise UnsupportedFormatError(f"a {kind.title} file without audio", SUPPORTED)
    codec: AudioCodecContext | None = container.streams.audio[0].codec_context
    if codec is None or codec.name not in DECODERS:
        title = "an unknown codec" if codec is None else f"the codec {codec.name}"
        raise UnsupportedFormatError(f"{title} in {kind.title}", SUPPORTED)
    codec.thread_count = 1
    return codec


def _frames(
    container: InputContainer, codec: AudioCodecContext, kind: Container
) -> Iterator[AudioFrame]:
    """All frames that decode; one damaged packet costs only itself."""
    num_packets = num_frames = 0
    for packet in _packets(container):
        num_packets += packet.size > 0
        try:
            frames = codec.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            continue
        for frame in frames:
            num_frames += frame.samples > 0
            yield frame
    promised = num_packets > 0 or (container.duration or 0) > 0
    if promised and not num_frames:
        raise UndecodableAudioError(f"nothing in this {kind.title} file can be decoded")


def _packets(container: InputContainer) -> "Iterator[Packet[AudioStream]]":
    """Packets up to the end, or up to where the file stops making sense."""
    try:
        yield from container.demux(container.streams.audio[0])
    except MemoryError:
        raise
    except av.FFmpegError:
        return


def _stretches(frames: Iterator[AudioFrame]) -> Iterator[Stretch]:
    """Join frames, of which a codec makes up to 400 a second."""
    held: list[Samples] = []
    held_as, num_held = (0, 0), 0
    for frame in frames:
        rate_hz, num_channels = frame.sample_rate, frame.layout.nb_channels
        if held and ((rate_hz, num_channels) != held_as or num_held >= rate_hz):
            yield Stretch(np.concatenate(held), held_as[0])
            held, num_held = [], 0
        _check(rate_hz, num_channels)
        held.append(_samples(frame))
        held_as, num_held = (rate_hz, num_channels), num_held + frame.samples
    if held:
        yield Stretch(np.concatenate(held), held_as[0])


def _check(rate_hz: int, num_channels: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UndecodableAudioError(
            f"its sample rate of {rate_hz:,} Hz lies outside {MIN_RATE_HZ:,} to {MAX_RATE_HZ:,} Hz"
        )
    if not 1 <= num_channels <= MAX_CHANNELS:
        raise UndecodableAudioError(f"it has {num_channels} channels; {MAX_CHANNELS} are the most")


def _samples(frame: AudioFrame) -> Samples:
    """The samples of a frame, whatever its format.

    Its planes one by one: PyAV's own `to_ndarray` counts them by the pointer that is null, and so
    reads beyond the end of FFmpeg's table where there are eight channels.
    """
    num_channels = frame.layout.nb_channels
    dtype = np.dtype(_DTYPES[frame.format.name.removesuffix("p")])
    if frame.format.is_planar:
        planes = [memoryview(AudioPlane(frame, index)) for index in range(num_channels)]
        raw = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes]).T
    else:
        count = frame.samples * num_channels
        raw = np.frombuffer(memoryview(AudioPlane(frame, 0)), dtype, count).reshape(
            -1, num_channels
        )
    full_scale = _FULL_SCALE[raw.dtype.str[1:]]
    with np.errstate(over="ignore"):  # `decode` refuses what becomes infinite
        samples = raw.astype(np.float32)
    if raw.dtype == np.uint8:
        samples -= full_scale
    if full_scale != 1:
        samples *= np.float32(1 / full_scale)
    return samples
