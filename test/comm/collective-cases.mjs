// The collectives on given inputs, and what they come to by arithmetic in plain JavaScript.
import { createHash } from 'node:crypto';

const summed = ['allReduce', 'reduceScatter'];
const operations = [...summed, 'allGather', 'allToAll', 'broadcast', 'broadcastEach'];

/** Elements of the larger tensor are `size` times `part`; odd ones for operations without parts. */
export function cases(size) {
  const all = [];
  for (const operation of operations) {
    for (const dtype of summed.includes(operation) ? ['f32', 'bf16'] : ['f32', 'bf16', 'i32', 'u8']) {
      // The last one is more than a sum takes at once, and a broadcast that goes in parts.
      const large = size === 2 ? 270_001 : 20_001;
      for (const part of [0, 1, 5, 1023, ...(dtype === 'f32' ? [large] : [])]) {
        const isWhole = operation === 'allReduce' || operation === 'broadcast';
        const elements = part * size + (isWhole && part > 1 ? size - 1 : 0);
        all.push({ operation, dtype, elements, root: size - 1 });
      }
    }
  }
  return all;
}

export const titleOf = ({ operation, dtype, elements }) => `${operation} of ${elements} ${dtype}`;

const arrays = { f32: Float32Array, bf16: Uint16Array, i32: Int32Array, u8: Uint8Array };
const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);

function toFloat(raw) {
  bits[0] = raw << 16;
  return number[0];
}

/** To the nearest, ties to even. */
function toBf16(value) {
  number[0] = value;
  return (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16;
}

const scales = [1e-3, 1e-2, 0.1, 1, 10, 100, 1000];

/** Magnitudes differ, so that another order of summing gives other bits. */
function magnitudeOf(rank, i) {
  const mixed = Math.imul(i + 1, 2654435761) ^ Math.imul(rank + 1, 40503 * 65537);
  return ((mixed >>> 0) / 2 ** 32 - 0.5) * scales[(mixed >>> 7) % scales.length];
}

function filled(dtype, rank, count) {
  const values = new arrays[dtype](count);
  for (let i = 0; i < count; ++i) {
    const value = magnitudeOf(rank, i);
    values[i] = dtype === 'bf16' ? toBf16(value) : dtype === 'f32' ? value : value * 1000;
  }
  return values;
}

const isPartInput = ({ operation }) => operation === 'allGather';

export function inputOf(one, rank, size) {
  return filled(one.dtype, rank, isPartInput(one) ? one.elements / size : one.elements);
}

function sum(dtype, inputs) {
  const total = new arrays[dtype](inputs[0].length);
  for (let i = 0; i < total.length; ++i) {
    const terms = inputs.map((input) => (dtype === 'bf16' ? toFloat(input[i]) : input[i]));
    const value = terms.reduce((left, right) => Math.fround(left + right));
    total[i] = dtype === 'bf16' ? toBf16(value) : value;
  }
  return total;
}

export function joined(dtype, parts) {
  const whole = new arrays[dtype](parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The rank whose piece of this number all ranks get. */
export const rootOf = (piece, size) => (piece + 1) % size;

/** What a rank has after the operation. */
export function resultOf(one, rank, size) {
  const inputs = Array.from({ length: size }, (_, r) => inputOf(one, r, size));
  const part = (values, r) => values.slice((r * values.length) / size, ((r + 1) * values.length) / size);
  switch (one.operation) {
    case 'allReduce':
      return sum(one.dtype, inputs);
    case 'reduceScatter':
      return sum(
        one.dtype,
        inputs.map((values) => part(values, rank)),
      );
    case 'allGather':
      return joined(one.dtype, inputs);
    case 'allToAll':
      return joined(
        one.dtype,
        inputs.filter((_, r) => r !== rank).map((values) => part(values, rank)),
      );
    case 'broadcastEach':
      return joined(
        one.dtype,
        inputs.map((_, piece) => part(inputs[rootOf(piece, size)], piece)),
      );
    default:
      return inputs[one.root];
  }
}

export const hashOf = (values) =>
  createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');

/** The errors of the calls in the scenario `arguments` of rank-child.mjs. */
export const argumentCodes = [
  ...['ERR_DTYPE', 'ERR_SHAPE', 'ERR_SHAPE', 'ERR_SHAPE', 'ERR_DTYPE', 'ERR_ARGUMENT'],
  ...['ERR_DTYPE', 'ERR_ARGUMENT'],
];
