"""Where models run: a worker process each, or a thread for small ones; the same interface for both."""
