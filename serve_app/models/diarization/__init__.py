"""Models that hear who speaks when: a recording in pieces in, probabilities of speakers out."""
