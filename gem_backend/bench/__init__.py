"""Benchmarks: the method against its rivals, and the speed of a step."""
