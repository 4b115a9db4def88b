/* 64 bytes there and back, so many times: prints the seconds that each way takes. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int rank, round, rounds = argc > 1 ? atoi(argv[1]) : 1000;
    char data[64] = {0};
    double began = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (round = -rounds; round < rounds; round++) { /* the first half warms up */
        if (round == 0)
            began = MPI_Wtime();
        if (rank == 0) {
            MPI_Send(data, 64, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
            MPI_Recv(data, 64, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(data, 64, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(data, 64, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
        }
    }
    if (rank == 0)
        printf("%.9g\n", (MPI_Wtime() - began) / rounds / 2);
    MPI_Finalize();
    return 0;
}
