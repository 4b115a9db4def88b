"""Links over MPI: ranks as nodes, and their point-to-point messages as the streams between them."""
