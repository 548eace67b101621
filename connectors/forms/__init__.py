"""What partners have in common that take forms over HTTP and offer a feed of their changes: hotline, housing."""
