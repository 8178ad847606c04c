"""Filters: pre- and post-processing of one named input or output, one idea per file."""
