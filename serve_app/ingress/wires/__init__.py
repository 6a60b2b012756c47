"""One adapter per wire: its form to a `TranscriptionRequest`, a transcript to its form."""
