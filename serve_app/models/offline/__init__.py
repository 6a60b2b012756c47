"""Models that hear a whole chunk before they answer."""
