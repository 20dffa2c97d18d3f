"""What the pages do, without the pages: use cases in, screens out."""
