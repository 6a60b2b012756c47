"""The audio of jobs, in any file system that fsspec knows: a local folder, S3, …"""

from collections.abc import AsyncIterator
from typing import Self

from serve_app.pipelines.transcription import StoredAudio


class AudioStore:
    """One folder. Names are random; who knows none finds nothing."""

    @classmethod
    async def open(cls, url: str) -> Self:
        """Of fsspec: `file:///var/lib/chorus/audio`, `s3://bucket/prefix`, ….

        Raises:
            ConfigError: nothing can be written there.
        """
        raise NotImplementedError

    async def put(self, pieces: AsyncIterator[bytes]) -> StoredAudio:
        """Write a recording as it arrives. What was begun and not finished leaves nothing."""
        raise NotImplementedError

    async def delete(self, audio: StoredAudio) -> None:
        """Also where it is gone already."""
        raise NotImplementedError
