"""Between a wire's bytes and requests or answers: pure functions, one file per wire."""
