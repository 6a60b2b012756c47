"""Load, from outside: what a server does with it, measured."""
