/** The sum of each column, row by row: figures of batches, summed over an update. */
export function columnSums(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => rows.reduce((sum, row) => sum + row[column]!, 0));
}
