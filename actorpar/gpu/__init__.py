"""Device actors: CUDA streams through PyCUDA, OpenCL queues through PyOpenCL."""
