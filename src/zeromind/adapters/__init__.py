"""Adapters: one file per framework, all of the form that ``base`` gives."""
