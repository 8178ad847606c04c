"""What an operator sees: logs now, metrics beside them."""
