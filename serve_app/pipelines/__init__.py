"""What happens to a recording, told once. Knows no Ray and no HTTP."""
