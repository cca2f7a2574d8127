"""How well the rules find promises, complaints, and closings in labelled texts (`python -m tests.said`)."""
