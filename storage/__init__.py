"""What the studio keeps: prompts, labels, candidates and runs in one DuckDB file.

Every function takes the open ``Database`` first and speaks in the records of ``gem_backend.types``.
"""
