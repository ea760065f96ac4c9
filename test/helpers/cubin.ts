// Reads the machine code of CUDA kernels from a program that nvcc made, without NVIDIA's tools.
// Cubins are ELF files that lie uncompressed in the program. The section .nv.info holds registers
// and stack frames; the numbers of its attributes are those that cuobjdump prints as EIATTR names.
// An instruction takes 16 bytes, and its lowest 12 bits are the operation.
const elfMagic = '\x7fELF';
const cudaMachine = 190;
const attributes = { frameSize: 0x11, registers: 0x2f };

/**
 * Operations of sm_80 to sm_90 by their lowest 12 bits; two where operands come
 * from different places.
 */
const operations: Record<string, number[]> = {
  LDL: [0x983],
  STL: [0x387],
  HMMA: [0x23c],
  LDSM: [0x83b],
  HGMMA: [0x9f0, 0xdf0], // both operands in shared memory; the first in registers
  UTMALDG: [0x5b4],
  UBLKCP: [0x3ba],
  'WARPGROUP.DEPBAR': [0x9c5], // a wait for products
};

export interface Kernel {
  architecture: number; // 80, 90
  symbol: string; // mangled
  registers: number;
  frameBytes: number; // of the stack: spilled registers and arrays that are indexed
  count(operation: string): number;
}

interface Section {
  name: string;
  offset: number;
  size: number;
  link: number;
}

function textAt(bytes: Buffer, offset: number): string {
  return bytes.toString('latin1', offset, bytes.indexOf(0, offset));
}

function sectionsOf(elf: Buffer): Section[] {
  const table = Number(elf.readBigUInt64LE(0x28));
  const count = elf.readUInt16LE(0x3c);
  const field = (i: number, at: number) => Number(elf.readBigUInt64LE(table + 64 * i + at));
  const names = field(elf.readUInt16LE(0x3e), 24);
  return Array.from({ length: count }, (_, i) => ({
    name: textAt(elf, names + elf.readUInt32LE(table + 64 * i)),
    offset: field(i, 24),
    size: field(i, 32),
    link: elf.readUInt32LE(table + 64 * i + 40),
  }));
}

/** Symbol index -> value, of one attribute of .nv.info. */
function valuesOf(elf: Buffer, info: Section, attribute: number): Map<number, number> {
  const values = new Map<number, number>();
  for (let at = info.offset; at < info.offset + info.size; ) {
    const isSized = elf[at] === 4; // else the value is in the header
    if (isSized && elf[at + 1] === attribute) values.set(elf.readUInt32LE(at + 4), elf.readUInt32LE(at + 8));
    at += isSized ? 4 + elf.readUInt16LE(at + 2) : 4;
  }
  return values;
}

function kernelsOf(elf: Buffer): Kernel[] {
  const sections = sectionsOf(elf);
  const find = (name: string) => sections.find((section) => section.name === name);
  const [info, symbols] = [find('.nv.info'), find('.symtab')];
  if (info === undefined || symbols === undefined) return [];
  const strings = sections[symbols.link] as Section;
  const frames = valuesOf(elf, info, attributes.frameSize);
  const flags = elf.readUInt32LE(0x30);
  // The place of the architecture depends on the version of the format.
  const architecture = elf.readUInt8(8) >= 8 ? (flags >> 8) & 0xff : flags & 0xff;
  return [...valuesOf(elf, info, attributes.registers)].map(([index, registers]) => {
    const symbol = textAt(elf, strings.offset + elf.readUInt32LE(symbols.offset + 24 * index));
    const code = find(`.text.${symbol}`);
    if (code === undefined) throw new Error(`the cubin has no code of ${symbol}`);
    const count = (operation: string) => {
      let found = 0;
      for (let at = code.offset; at < code.offset + code.size; at += 16) {
        if (operations[operation]?.includes(elf.readUInt16LE(at) & 0xfff)) ++found;
      }
      return found;
    };
    return { architecture, symbol, registers, frameBytes: frames.get(index) ?? 0, count };
  });
}

/** Every kernel in a program, once for each architecture that it was compiled for. */
export function readKernels(program: Buffer): Kernel[] {
  const kernels: Kernel[] = [];
  for (let at = program.indexOf(elfMagic); at >= 0; at = program.indexOf(elfMagic, at + 1)) {
    if (program.readUInt16LE(at + 18) === cudaMachine) kernels.push(...kernelsOf(program.subarray(at)));
  }
  return kernels;
}
