"""HTTP: the server that every service runs, problems, read tokens, CloudEvents over HTTP, and the agencies' client."""
