"""A cluster of several nodes on one machine, clients of every kind, and faults: what they saw.

python -m loadtest.faults --only lose-worker --repetitions 3 --report docs/faults.md
"""
