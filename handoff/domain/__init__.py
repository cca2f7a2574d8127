"""The words and rules of the product: pure values and functions, no input or output."""
