"""The models of a pool: where they come from, their life, and what is remembered over a restart."""
