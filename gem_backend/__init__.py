"""Sampling, entropy, scoring, ranking and SEGA alignment of language models, without a user
interface.
"""
