"""The studio's use cases, a subject a module; ``app.studio`` is their front."""
