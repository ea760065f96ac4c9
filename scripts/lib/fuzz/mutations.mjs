/** Ways to damage a file: its bytes, the values of its JSON, or the parts of another format. */
import { gunzipSync, gzipSync } from 'node:zlib';

const words = [
  ...['"', ',', ':', '{', '}', '[', ']', '\\', '\\u0000', '\\ud800', '0', '-1', '1e999', '-0', 'NaN'],
  ...['null', 'true', '""', '{}', '[]', '\0', '\n', '\r\n', '\ufeff', '\ufffd', '\u{1f525}', ' '.repeat(70)],
  ...['{{', '}}', '{%', '%}', '{#', '__proto__', '4294967296', '9007199254740993', 'PAR1', 'PK\x03\x04'],
];

const numbers = [
  ...[0, -0, -1, 1, 2, 3, 12, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 - 1],
  ...[0.5, -0.5, 1.5, 1e-300, 1e21, 1e300, -1e300],
];

/** Damages bytes at one place. `other` is another valid file to take pieces from. */
function damagedBytes(bytes, random, other) {
  const at = random.below(bytes.length + 1);
  const size = 1 + Math.floor(random.next() ** 4 * 300);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (random.below(10)) {
    case 0:
    case 1: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] ^= 1 << random.below(8);
      return flipped;
    }
    case 2:
      return before;
    case 3:
      return after;
    case 4:
      return Buffer.concat([before, bytes.subarray(at + size)]);
    case 5:
      return Buffer.concat([before, bytes.subarray(at, at + size), after]);
    case 6:
      return Buffer.concat([before, Buffer.from(random.pick(words)), after]);
    case 7:
      return Buffer.concat([
        before,
        Buffer.from(Array.from({ length: size }, () => random.below(256))),
        bytes.subarray(at + size),
      ]);
    case 8: {
      const from = random.below(other.length + 1);
      return Buffer.concat([before, other.subarray(from, from + 4 * size), bytes.subarray(at + size)]);
    }
    default: {
      const changed = Buffer.from(bytes);
      if (at + 8 <= changed.length) changed.writeBigUInt64LE(BigInt.asUintN(64, hugeInteger(random)), at);
      return changed;
    }
  }
}

function hugeInteger(random) {
  return random.pick([0n, 1n, -1n, 1n << 31n, 1n << 32n, 1n << 48n, 1n << 53n, 1n << 62n, 1n << 63n]);
}

export function mutateBytes(bytes, random, other) {
  let result = bytes;
  do result = damagedBytes(result, random, other);
  while (random.chance(0.35));
  return result;
}

/** Text that stands for a place in JSON.stringify's result, so that any text can be put there. */
const HOLE = '\u{f0000}hole\u{f0000}';

/** Text of JSON, valid or not, that a program would hardly expect. */
function oddJson(random) {
  switch (random.below(12)) {
    case 0:
      return '['.repeat(1 << (4 + random.below(14)));
    case 1: {
      const depth = 1 << (4 + random.below(14));
      return '['.repeat(depth) + ']'.repeat(depth);
    }
    case 2: {
      const depth = 1 << (4 + random.below(14));
      return `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    }
    case 3:
      return '"\\ud800"';
    case 4:
      return '{"__proto__":{"toString":1},"constructor":null,"length":-1}';
    case 5:
      return `[${'0,'.repeat(1 << random.below(16))}0]`;
    case 6:
      return '1e999';
    case 7:
      return '123456789012345678901234567890';
    case 8:
      return JSON.stringify(String.fromCharCode(random.below(0x3000)).repeat(1 << random.below(16)));
    default:
      return JSON.stringify(
        random.pick([null, true, false, '', 'x', '\0', [], {}, [null], { a: 1 }, random.pick(numbers)]),
      );
  }
}

/** All places of a value: [container, key]. */
function placesOf(value) {
  const places = [];
  const visit = (container) => {
    for (const key of Object.keys(container)) {
      places.push([container, key]);
      if (places.length > 20_000) return;
      if (typeof container[key] === 'object' && container[key] !== null) visit(container[key]);
    }
  };
  visit(value);
  return places;
}

/** A text that is JSON itself is changed inside. */
function mutateText(text, random) {
  return /^[{[]/.test(text) ? mutateJson(text, random) : text + random.pick(words);
}

/** Changes values of JSON; its text stays JSON in most cases. */
export function mutateJson(text, random) {
  let root;
  try {
    root = { root: JSON.parse(text) };
  } catch {
    return text;
  }
  let odd;
  do {
    const places = placesOf(root);
    const [container, key] = random.pick(places);
    const [other, otherKey] = random.pick(places);
    switch (random.below(9)) {
      case 0:
        if (Array.isArray(container)) container.splice(Number(key), 1);
        else if (container !== root) delete container[key];
        break;
      case 1:
        container[key] = structuredClone(other[otherKey]);
        break;
      case 2:
        container[key] = random.pick(numbers);
        break;
      case 3:
        container[key] = random.pick([null, '', [], {}, true, 'x', 7]);
        break;
      case 4:
        if (typeof container[key] === 'number') container[key] += random.pick([-1, 1, 0.5, 1e9]);
        else if (typeof container[key] === 'string') container[key] = mutateText(container[key], random);
        else if (Array.isArray(container[key]) && container[key].length > 0)
          container[key].push(random.pick(container[key]));
        break;
      case 5:
        if (!Array.isArray(container) && container !== root) {
          container[random.pick(['', 'length', 'constructor', `${key}x`, otherKey])] = container[key];
        }
        break;
      case 6:
        if (Array.isArray(container)) container.reverse();
        break;
      default:
        odd ??= oddJson(random);
        container[key] = HOLE;
    }
  } while (random.chance(0.3));
  const result = JSON.stringify(root.root) ?? 'null';
  return odd === undefined ? result : result.replaceAll(JSON.stringify(HOLE), () => odd);
}

/** Changes the JSON of one line. */
export function mutateJsonLines(text, random) {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  lines[at] = random.chance(0.1) ? oddJson(random) : mutateJson(lines[at], random);
  return lines.join('\n');
}

/** Changes the header of a safetensors file and keeps its length right. */
function mutateSafetensors(bytes, random) {
  const length = Number(bytes.readBigUInt64LE());
  const json = Buffer.from(mutateJson(bytes.subarray(8, 8 + length).toString(), random));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  const data = bytes.subarray(8 + length);
  return Buffer.concat([
    size,
    json,
    random.chance(0.8) ? data : data.subarray(random.below(data.length + 1)),
  ]);
}

/** Weights that are not finite, or of any other bits. */
function mutateWeights(bytes, random) {
  const start = 8 + Number(bytes.readBigUInt64LE());
  const result = Buffer.from(bytes);
  const at = start + 4 * random.below(Math.floor((result.length - start) / 4));
  result.writeUInt32LE(
    random.pick([0x7f800000, 0xff800000, 0x7fc00000, 0x7f7fffff, random.below(2 ** 32)]),
    at,
  );
  return result;
}

/** Moves and repeats the parts of a template. */
function mutateTemplate(text, random) {
  const parts = text.split(/(\{%.*?%\}|\{\{.*?\}\}|\b)/s);
  const at = random.below(parts.length);
  const jinja = [
    ...['{% for x in range(9) %}', '{% endfor %}', '{% if messages %}', '{% endif %}', '{{ messages }}'],
    ...[
      '{% set x = x ~ x %}',
      '{{ x * 9 }}',
      '|tojson',
      '|length',
      '[0]',
      '[-1]',
      '.x',
      'loop.index',
      'none',
    ],
    ...[
      "'a' ~ 1",
      '1 // 0',
      '10 ** 99',
      '{% macro m(x) %}',
      '{% endmacro %}',
      '{{ m(m) }}',
      '{% break %}',
      '|join',
    ],
  ];
  const way = random.below(4);
  if (way < 2) parts[at] = random.pick(jinja);
  else if (way === 2) parts.splice(at, random.below(4));
  else parts.splice(at, 0, ...parts.slice(random.below(parts.length)).slice(0, 6));
  return parts.join('');
}

/** Damages a file by its name. `other` is another valid file. */
export function mutateFile(name, bytes, random, other) {
  if (random.chance(0.35)) return mutateBytes(bytes, random, other);
  if (name.endsWith('.gz')) return gzipSync(mutateFile(name.slice(0, -3), gunzipSync(bytes), random, other));
  if (name.endsWith('.jsonl')) return Buffer.from(mutateJsonLines(bytes.toString(), random));
  if (name.endsWith('.json')) return Buffer.from(mutateJson(bytes.toString(), random));
  if (name.endsWith('.jinja')) return Buffer.from(mutateTemplate(bytes.toString(), random));
  if (name.endsWith('.safetensors')) {
    return random.chance(0.3) ? mutateWeights(bytes, random) : mutateSafetensors(bytes, random);
  }
  return mutateBytes(bytes, random, other);
}
