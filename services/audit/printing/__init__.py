"""Pages to print: documents in, HTML with SVG out; pure."""
