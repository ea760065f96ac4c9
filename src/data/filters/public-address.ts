/** Which IPv4 addresses belong to the public internet, as in Python's `ipaddress.is_global`. */

/** Blocks that are private, reserved or for documentation, with the number of bits. */
const BLOCKS: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['240.0.0.0', 4],
];
const blocks = BLOCKS.map(([base, bits]) => ({ base: numberOf(base), size: 2 ** (32 - bits) }));
/** These two of 192.0.0.0/24 are public. */
const EXCEPTIONS = ['192.0.0.9', '192.0.0.10'];

/** False too for a number with a leading zero, which is no address to Python. */
export function isPublicAddress(address: string): boolean {
  if (/(?:^|\.)0[0-9]/.test(address)) return false;
  if (EXCEPTIONS.includes(address)) return true;
  const value = numberOf(address);
  return !blocks.some(({ base, size }) => value >= base && value < base + size);
}

function numberOf(address: string): number {
  return address.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
}
