"""The keys file, in; the keys that it names, out; read again when it changes.

    keys:
      - name: alice
        sha256: 2f5c…          # of the whole key, as `chorus keys new` prints it
        requests_per_minute: 60
        audio_s_per_day: 36000
        concurrent_streams: 4
        expires: 2027-01-01    # 0:00 UTC

A key is 32 random bytes. Nobody guesses those, however fast the hash is, so a plain SHA-256 is
enough; slow, salted hashes are for what people make up.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

import serve_app
from serve_app.config import reason_of
from serve_app.deployments.ledger.accounts import Limits
from serve_app.document import read
from serve_app.errors import ConfigError

KEY_PREFIX = "chorus_"
_KEY_BYTES = 32
_FINGERPRINT_DIGITS = 16
_LOOK_AGAIN_S = 1.0
_ROOT = Path(serve_app.__file__).resolve().parents[1]

log = logging.getLogger(__name__)


class Key(BaseModel):
    """One entry of a keys file: who it is, and what it may use."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Stands in the audit log, where the key itself never does."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hexadecimal, of the whole key."""
    requests_per_minute: PositiveFloat | None = None
    audio_s_per_day: PositiveFloat | None = None
    concurrent_streams: PositiveInt | None = None
    """These three: see `Limits`."""
    expires: datetime | None = None
    """From when on it opens nothing; a date means 0:00, and UTC where no zone is given."""

    @field_validator("requests_per_minute", "audio_s_per_day", "concurrent_streams", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any) -> Any:
        if isinstance(value, bool | str):
            raise ValueError(f"{value!r} is no number")
        return value

    @field_validator("expires", mode="before")
    @classmethod
    def _only_dates_expire(cls, value: Any) -> Any:
        """Quoted or not; a number, which could mean seconds of something, is none."""
        if value is None or isinstance(value, date):
            return value
        try:
            return datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{value!r} is no date, such as 2027-01-01") from error

    @field_validator("expires")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @property
    def limits(self) -> Limits:
        return Limits(self.requests_per_minute, self.audio_s_per_day, self.concurrent_streams)

    @property
    def fingerprint(self) -> str:
        """Tells this key from others; too short to say anything else of it."""
        return self.sha256[:_FINGERPRINT_DIGITS]

    def has_expired(self, now_s: float) -> bool:
        """`now_s` in Unix seconds."""
        return self.expires is not None and self.expires.timestamp() <= now_s


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...]
    """None at all is allowed: that is how the last one is taken back."""

    @field_validator("keys")
    @classmethod
    def _are_one_each(cls, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        for values in ([key.name for key in keys], [key.sha256 for key in keys]):
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"{value!r} stands twice")
        return keys


def read_keys(path: Path) -> tuple[Key, ...]:
    """
    Raises:
        ConfigError: with all that is wrong with the file, a line each.
    """
    return keys_of(read(path), str(path))


def keys_of(document: Mapping[str, Any], place: str) -> tuple[Key, ...]:
    """The keys of a file that is read already; `place` names it.

    Raises:
        ConfigError: as `read_keys`.
    """
    try:
        return _File.model_validate(document).keys
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, detail['loc']))}: {reason_of(detail['msg'])}"
            for detail in error.errors(include_input=False)
        ]
        raise ConfigError(place, "\n  ".join(lines)) from error


def path_of(setting: str) -> Path:
    """A relative path of the configuration counts from the project's root, as checkpoints do."""
    return _ROOT / setting


def new_key() -> str:
    """A key that nobody has seen yet; fit for a header and for a WebSocket subprotocol."""
    random = base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES))
    return KEY_PREFIX + random.rstrip(b"=").decode()


def sha256_of(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def matching(keys: Sequence[Key], presented: str) -> Key | None:
    """The key whose hash is that of `presented`.

    All are compared, each in constant time: how long it takes says nothing of what is there.
    """
    digest = sha256_of(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


class KeyFile:
    """The keys of one file as they are now. A file that became unreadable leaves them as they were.

    Raises:
        ConfigError: the file is wrong at the start.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._version = _version_of(path)
        self._keys = read_keys(path)
        self._look_at = clock() + _LOOK_AGAIN_S
        self._looking: asyncio.Task[None] | None = None

    async def keys(self) -> tuple[Key, ...]:
        """Looks at the file once a second at most, in a thread: its disk may be far away. Who comes
        meanwhile waits for the same look."""
        if self._clock() >= self._look_at:
            if self._looking is None:
                self._looking = asyncio.create_task(self._look_once())
            await asyncio.shield(self._looking)
        return self._keys

    async def _look_once(self) -> None:
        try:
            await asyncio.to_thread(self._look)
        finally:
            self._look_at = self._clock() + _LOOK_AGAIN_S
            self._looking = None

    def _look(self) -> None:
        version = _version_of(self._path)
        if version == self._version:
            return
        self._version = version
        try:
            self._keys = read_keys(self._path)
        except ConfigError as error:
            log.error("the API keys stay as they were: %s", error)
        else:
            log.warning("read %d API keys from %s", len(self._keys), self._path)


def _version_of(path: Path) -> tuple[int, int, int] | None:
    """Another after each change; a file put in another's place differs in more than its time."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
