"""Packets of a live stream in, PCM16LE mono at 16 kHz out: the same samples however it is packed.

Nothing here parses a container; a packet that is too large or no base64 is the client's error.
"""

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import soxr  # type: ignore[import-untyped]  # ships no stubs

from serve_app.audio.waveform import SAMPLE_RATE_HZ
from serve_app.errors import UndecodableAudioError, UnsupportedFormatError

PACKET_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
MAX_CHANNELS: Final = 8
MAX_PACKET_BYTES: Final = 16 * 2**20
"""The largest WebSocket message that Serve's proxy lets pass."""

MAX_DELAY_S: Final = 0.12
"""What the resampler may hold back at 8 kHz; 0.04 s from 24 kHz on. Nothing is held at 16 kHz."""


class Encoding(StrEnum):
    """How a sample is written."""

    PCM16 = "pcm16"
    """16 bits, little-endian."""
    MULAW = "mulaw"
    """G.711 μ-law."""
    ALAW = "alaw"
    """G.711 A-law."""


@dataclass(frozen=True, slots=True)
class PacketFormat:
    """What a client says that its packets hold."""

    encoding: Encoding = Encoding.PCM16
    rate_hz: int = SAMPLE_RATE_HZ
    num_channels: int = 1
    """Interleaved; their mean is what is heard."""

    def check(self) -> None:
        """
        Raises:
            UnsupportedFormatError: a rate or a number of channels that is not taken.
        """
        if self.rate_hz not in PACKET_RATES_HZ:
            rates = tuple(f"{rate_hz} Hz" for rate_hz in PACKET_RATES_HZ)
            raise UnsupportedFormatError(f"a rate of {self.rate_hz} Hz", rates)
        if not 1 <= self.num_channels <= MAX_CHANNELS:
            found = f"audio of {self.num_channels} channels"
            raise UnsupportedFormatError(found, (f"1 to {MAX_CHANNELS} channels",))


class PacketDecoder:
    """The packets of one stream.

    Raises:
        UnsupportedFormatError: a rate or a number of channels that is not taken.
    """

    def __init__(
        self, packet_format: PacketFormat, *, max_packet_bytes: int = MAX_PACKET_BYTES
    ) -> None:
        packet_format.check()
        self._format = packet_format
        self._max_packet_bytes = max_packet_bytes
        is_pcm = packet_format.encoding is Encoding.PCM16
        self._frame_bytes = packet_format.num_channels * (2 if is_pcm else 1)
        self._rest = b""
        self._resampler = self._new_resampler()

    def decode(self, packet: bytes) -> bytes:
        """What `packet` adds; what it begins and does not end waits for the next one.

        Raises:
            UndecodableAudioError: it is larger than a packet may be.
        """
        if len(packet) > self._max_packet_bytes:
            reason = f"a packet of {len(packet):,} bytes; at most {self._max_packet_bytes:,}"
            raise UndecodableAudioError(reason)
        whole = self._rest + packet
        end = len(whole) - len(whole) % self._frame_bytes
        whole, self._rest = whole[:end], whole[end:]
        is_pcm = self._format.encoding is Encoding.PCM16
        if is_pcm and self._format.num_channels == 1 and self._resampler is None:
            return whole
        return self._resampled(self._mono(whole), is_last=False)

    def decode_base64(self, text: str) -> bytes:
        """What the packet written as `text` adds.

        Raises:
            UndecodableAudioError: no base64, or too large.
        """
        if len(text) > self._max_packet_bytes * 4 // 3 + 4:
            raise UndecodableAudioError(f"a packet of more than {self._max_packet_bytes:,} bytes")
        try:
            packet = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UndecodableAudioError(f"no base64: {error}") from None
        return self.decode(packet)

    def flush(self) -> bytes:
        """What the resampler holds back, as if silence followed; part of a sample is dropped.

        The next packet begins anew.
        """
        self._rest = b""
        if self._resampler is None:
            return b""
        rest = self._resampled(np.empty(0, dtype=np.float32), is_last=True)
        self._resampler = self._new_resampler()
        return rest

    def _new_resampler(self) -> soxr.ResampleStream | None:
        if self._format.rate_hz == SAMPLE_RATE_HZ:
            return None
        rate_hz = self._format.rate_hz
        return soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")

    def _mono(self, whole: bytes) -> npt.NDArray[np.float32]:
        match self._format.encoding:
            case Encoding.PCM16:
                samples = np.frombuffer(whole, dtype="<i2")
            case Encoding.MULAW:
                samples = _MULAW[np.frombuffer(whole, dtype=np.uint8)]
            case Encoding.ALAW:
                samples = _ALAW[np.frombuffer(whole, dtype=np.uint8)]
        channels = samples.reshape(-1, self._format.num_channels)
        mono: npt.NDArray[np.float32] = channels.mean(axis=1, dtype=np.float32)
        return mono

    def _resampled(self, samples: npt.NDArray[np.float32], *, is_last: bool) -> bytes:
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=is_last)
        return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def _mulaw_table() -> npt.NDArray[np.int16]:
    """ITU-T G.711, μ-law: what each byte means, of 16 bits."""
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    size = (((mantissa << 3) + 132) << exponent) - 132
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _alaw_table() -> npt.NDArray[np.int16]:
    """ITU-T G.711, A-law: what each byte means, of 16 bits."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    size = (mantissa << 4) + 8
    size = np.where(exponent > 0, (size + 256) << np.maximum(exponent - 1, 0), size)
    return np.where(code & 0x80, size, -size).astype(np.int16)


_MULAW: Final = _mulaw_table()
_ALAW: Final = _alaw_table()
