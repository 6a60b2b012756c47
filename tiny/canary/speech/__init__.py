"""What canary-tiny hears: five languages, digits, many voices, as a corpus on disk."""
