"""Examples to copy, and the tests that run them."""
