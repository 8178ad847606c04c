"""When a request runs: the bounded queue of each model, and the lanes that drain it into workers."""
