"""Proof that the tests bite: small bugs, planted one at a time, that the tests of their rule must find.

`python -m tests.mutants` plants every bug of the tables in a copy of the tree and runs the tests of its rule there.
"""
