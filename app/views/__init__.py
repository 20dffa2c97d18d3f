"""Pure functions from records to what a page shows; no Gradio here."""
