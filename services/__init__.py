"""One folder per process. Services never import each other; `services.kernel` is what they share."""
