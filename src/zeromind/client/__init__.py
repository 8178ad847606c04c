"""The client's side: what asks a running server, over HTTP."""
