/** `athanor bench comm`: the collectives between processes of this machine. */
import { defineCommand } from './command.ts';
import { choice, count, inGroup, integer, list } from './options.ts';

const DEFAULT_SIZES = [4096, 65_536, 1 << 20, 1 << 24];

export const comm = defineCommand({
  description:
    'Times the collectives between processes on this machine, one thread each, and MPI itself with the same loops in C. Runs of the two alternate, and the fastest counts. Bus bandwidth is bytes that pass each connection, so that all rows compare with its speed.',
  options: {
    ...inGroup('Run', {
      ranks: integer('processes', { default: 2, min: 2, max: 1024 }),
      engine: choice('how they exchange', ['mpi', 'tcp'], { default: 'mpi' }),
      sizes: list(count('bytes of a tensor (default: 4096 65536 1048576 16777216)', { min: 1024 })),
      repeats: integer('runs to time of each', { default: 3, min: 1 }),
    }),
  },
  example: 'bench comm --ranks 4 --sizes 1048576 --sizes 16777216',
  async run({ ranks, engine, sizes: chosen, repeats }) {
    const { busFactor, MpiProgram, timeProcesses } = await import('../bench/comm-bench.ts');
    const sizes = chosen.length > 0 ? chosen : DEFAULT_SIZES;
    const bare = engine === 'mpi' ? new MpiProgram() : undefined;
    const fastest = new Map<string, { own: number; bare: number | null }>();
    try {
      for (let round = 0; round < repeats; ++round) {
        for (const { operation, bytes, seconds } of await timeProcesses(engine, ranks, sizes)) {
          const key = `${operation} ${bytes}`;
          const best = fastest.get(key) ?? { own: seconds, bare: null };
          fastest.set(key, { ...best, own: Math.min(best.own, seconds) });
        }
        for (const { operation, bytes, seconds } of (await bare?.run(ranks, sizes)) ?? []) {
          const best = fastest.get(`${operation} ${bytes}`);
          if (best) best.bare = Math.min(best.bare ?? seconds, seconds);
        }
      }
    } finally {
      bare?.dispose();
    }
    const rows = [...fastest].map(([key, best]) => {
      const [operation, bytes] = key.split(' ') as [string, string];
      const moved = Number(bytes) * busFactor(operation, ranks);
      return {
        operation,
        bytes: Number(bytes),
        seconds: best.own,
        bus_bandwidth: moved / best.own,
        mpi_seconds: best.bare,
        mpi_bus_bandwidth: best.bare === null ? null : moved / best.bare,
        ratio: best.bare === null ? null : best.bare / best.own,
      };
    });
    return { ranks, engine, rows };
  },
  render: ({ ranks, engine, rows }) =>
    [
      `${ranks} ranks, ${engine}`,
      ...rows.map((row) => {
        const speed = (rate: number | null) => (rate === null ? '' : `${(rate / 1e9).toFixed(2)} GB/s`);
        const own = `${(row.seconds * 1e6).toFixed(1).padStart(10)} us ${speed(row.bus_bandwidth).padStart(12)}`;
        const bare =
          row.ratio === null
            ? ''
            : `  MPI ${speed(row.mpi_bus_bandwidth).padStart(12)}  ${row.ratio.toFixed(2)}`;
        return `${row.operation.padEnd(14)} ${String(row.bytes).padStart(10)} B ${own}${bare}`;
      }),
    ].join('\n'),
});
