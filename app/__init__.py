"""The studio people see: a Gradio app over the storage and the backend, without torch."""

from app.security import seal_environment

seal_environment()  # before anything imports Gradio, which reads its environment at import
