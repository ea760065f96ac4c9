/** Philox4x32-10 by BigInt: slow, and written from the paper alone. */
export function philox(seed: bigint, stream: bigint, index: bigint): number[] {
  const mask = 0xffffffffn;
  let c = [index & mask, index >> 32n, stream & mask, stream >> 32n];
  let k = [seed & mask, seed >> 32n];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c[0]!;
    const p1 = 0xcd9e8d57n * c[2]!;
    c = [(p1 >> 32n) ^ c[1]! ^ k[0]!, p1 & mask, (p0 >> 32n) ^ c[3]! ^ k[1]!, p0 & mask];
    k = [(k[0]! + 0x9e3779b9n) & mask, (k[1]! + 0xbb67ae85n) & mask];
  }
  return c.map(Number);
}
