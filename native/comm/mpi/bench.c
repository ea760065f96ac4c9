/* The same collectives as `athanor bench comm`, by MPI's own functions, with nothing around them:
 *   mpicc -O2 native/comm/mpi/bench.c -o bench-mpi && mpirun -n 2 ./bench-mpi 65536 16777216
 * Arguments are bytes of the larger tensor. Rank 0 prints a line per collective and size:
 * name, bytes, seconds of the fastest of five rounds, for one operation.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float *input, *output;
static int rank, size;

static void run(int kind, int elements) {
  const int part = elements / size;
  switch (kind) {
    case 0: MPI_Allreduce(MPI_IN_PLACE, output, elements, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD); break;
    case 1: MPI_Reduce_scatter_block(input, output, part, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD); break;
    case 2: MPI_Allgather(input, part, MPI_FLOAT, output, part, MPI_FLOAT, MPI_COMM_WORLD); break;
    case 3: MPI_Alltoall(input, part, MPI_FLOAT, output, part, MPI_FLOAT, MPI_COMM_WORLD); break;
    default: MPI_Bcast(output, elements, MPI_FLOAT, 0, MPI_COMM_WORLD);
  }
}

static double best_of_rounds(int kind, int elements, int repeats) {
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double begin = MPI_Wtime();
    for (int i = 0; i < repeats; ++i) run(kind, elements);
    double mine = (MPI_Wtime() - begin) / repeats, slowest = 0;
    MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    if (slowest < best) best = slowest;
  }
  return best;
}

int main(int argc, char** argv) {
  static const char* const kNames[] = {"allReduce", "reduceScatter", "allGather", "allToAll", "broadcast"};
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int a = 1; a < argc; ++a) {
    const int elements = atoi(argv[a]) / 4 / size * size;
    const int repeats = elements < 1 << 18 ? 200 : 10;
    input = calloc(elements, 4);
    output = calloc(elements, 4);
    memset(input, 1, (size_t)elements * 4);
    memset(output, 1, (size_t)elements * 4);
    for (int kind = 0; kind < 5; ++kind) {
      run(kind, elements);
      const double seconds = best_of_rounds(kind, elements, repeats);
      if (rank == 0) printf("%s %d %.9f\n", kNames[kind], elements * 4, seconds);
    }
    free(input);
    free(output);
  }
  MPI_Finalize();
  return 0;
}
