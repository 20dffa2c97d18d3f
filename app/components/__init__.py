"""What Gradio has no component for: one HTML template and one script each."""
