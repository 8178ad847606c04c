"""The load generator of `zeromind bench`: requests that are due at their times, on connections of its own, and what became of them."""
