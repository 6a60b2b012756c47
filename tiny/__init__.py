"""Recipes, weights and recordings of the tiny models: see README.md."""
