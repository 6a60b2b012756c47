"""An upload's first bytes and its size in, the seconds of audio that it is expected to hold out.

For admission, which must not wait for a decoder: it reads a header's fields and believes them, as
far as so many bytes can hold so little: who says less would hold more than a share, and be charged
for less. The decoder finds out what is true, and enforces the limits.
"""

import struct

HEAD_BYTES = 64 * 1024
"""How much of an upload is looked at."""

LEAN_BYTES_PER_S = 2_000.0
"""16 kbit/s: few clients send speech in less, so an unknown format holds at most about this."""
PCM_BYTES_PER_S = 32_000.0
"""Of 16 kHz mono in 16 bits."""

_MAX_CHUNKS = 64
"""Of a RIFF file, before its samples."""
_MP3_KBIT_S = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MP3_2_KBIT_S = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_MP3_MAX_KBIT_S = max(_MP3_KBIT_S)
_MP3_RATES_HZ = {
    3: (44_100, 48_000, 32_000, 0),
    2: (22_050, 24_000, 16_000, 0),
    0: (11_025, 12_000, 8_000, 0),
}
"""Layer III of MPEG 1, of MPEG 2 and 2.5; rates by the header's version: ISO/IEC 11172-3 §2.4.2.3,
13818-3 §2.4.2.3."""
_MP3_FIRST_FRAME_BYTES = 64
"""A Xing tag lies at most 36 bytes behind the frame's head."""


def expected_audio_s(upload: bytes, *, longest_s: float) -> float:
    """By the header where it tells, else by `LEAN_BYTES_PER_S`; never above `longest_s`."""
    return expected_by_head_s(
        memoryview(upload)[:HEAD_BYTES].tobytes(), len(upload), longest_s=longest_s
    )


def expected_by_head_s(head: bytes, num_bytes: int, *, longest_s: float) -> float:
    """The same of an upload of which only the first `HEAD_BYTES` are at hand."""
    found = _wav_s(head, num_bytes) or _flac_s(head, num_bytes) or _mp3_s(head, num_bytes)
    return min(found or num_bytes / LEAN_BYTES_PER_S, longest_s)


def _wav_s(head: bytes, num_bytes: int) -> float | None:
    """RIFF or RF64: what lies behind the head of its samples, over its bytes per second."""
    if head[:4] not in {b"RIFF", b"RF64"} or head[8:12] != b"WAVE":
        return None
    place, bytes_per_s = 12, 0
    for _ in range(_MAX_CHUNKS):
        if place + 8 > len(head):
            return None
        name, size = head[place : place + 4], int.from_bytes(head[place + 4 : place + 8], "little")
        place += 8
        if name == b"fmt " and place + 16 <= len(head):
            _, channels, rate_hz, told, _, bits = struct.unpack_from("<HHIIHH", head, place)
            # No codec needs more than samples do.
            bytes_per_s = min(told, rate_hz * channels * max(bits, 16) // 8)
        if name == b"data":
            # All that follows, whatever size is told: a stream whose length was not known when it
            # began says 0 or the largest number, and further chunks of samples are heard, too.
            held = num_bytes - place
            return held / bytes_per_s if bytes_per_s and held > 0 else None
        place += size + size % 2
    return None


def _flac_s(head: bytes, num_bytes: int) -> float | None:
    """Of the first metadata block, which is always STREAMINFO: RFC 9639 §8.2."""
    if head[:4] != b"fLaC" or len(head) < 26:
        return None
    packed = int.from_bytes(head[18:26], "big")  # rate 20 bits, channels 3, bits 5, samples 36
    rate_hz, num_samples = packed >> 44, packed & (1 << 36) - 1
    if not rate_hz or not num_samples:
        return None
    bytes_per_s = rate_hz * ((packed >> 41 & 7) + 1) * ((packed >> 36 & 31) + 1) / 8
    return max(num_samples / rate_hz, num_bytes / bytes_per_s)


def _mp3_s(head: bytes, num_bytes: int) -> float | None:
    """By the number of frames in a Xing or Info tag, else by the bit rate of the first frame."""
    place = _after_id3(head)
    frame = head[place : place + _MP3_FIRST_FRAME_BYTES]
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return None
    version, rate_index, bit_index = frame[1] >> 3 & 3, frame[2] >> 2 & 3, frame[2] >> 4
    rate_hz = _MP3_RATES_HZ.get(version, (0, 0, 0, 0))[rate_index]
    is_mpeg_1 = version == 3
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    if rate_hz and tag >= 0 and len(frame) >= tag + 12 and frame[tag + 7] & 1:
        num_frames = int.from_bytes(frame[tag + 8 : tag + 12], "big")
        told_s = num_frames * (1152 if is_mpeg_1 else 576) / rate_hz
        return max(told_s, (num_bytes - place) * 8 / (_MP3_MAX_KBIT_S * 1000))
    kbit_s = (_MP3_KBIT_S if is_mpeg_1 else _MP3_2_KBIT_S)[bit_index]
    return (num_bytes - place) * 8 / (kbit_s * 1000) if kbit_s else None


def _after_id3(head: bytes) -> int:
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
