"""Functions that run elsewhere: in processes of a pool, or on nodes. The face is `actorpar.ProcessPool`."""
