"""What the type checkers infer and refuse; `ok.py` and `bad.py` are read by them and never run."""
