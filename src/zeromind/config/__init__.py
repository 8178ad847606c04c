"""The pool's configuration: typed settings from file, environment and flags."""
