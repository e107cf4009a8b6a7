#!/usr/bin/env -S deno run
/**
 * Q. How do you use SIMD from JavaScript, which has none?
 *
 * A. Write the loop as WebAssembly, byte by byte: a module is a few sections, each
 * its number, its length and its content, and a function is a list of opcodes for
 * a machine with a stack. A v128 holds four f32 or two f64, and one instruction
 * multiplies them all. The engine compiles that to the processor's own vectors.
 *
 * Here is just what one function on an imported memory needs.
 * Trap: numbers are LEB128, 7 bits a byte, and constants signed: 64 takes two
 * bytes, because one byte of it would be −64.
 * Left out: everything else, from calls to tables.
 * Source: WebAssembly Core Specification 2.0, 5, and its relaxed SIMD proposal.
 * Run: `deno run assembler.ts`
 * @module
 */

/** Opcodes and their operands. */
export type Code = readonly number[];

/** Types of values. */
export const I32 = 0x7f;
export const V128 = 0x7b;

/** An unsigned number in LEB128. */
export function unsigned(n: number): number[] {
  const bytes = [];
  for (; n > 127; n >>>= 7) bytes.push(n & 127 | 128);
  return [...bytes, n];
}

/** A signed number of 32 bits in LEB128: the last byte has the sign in bit 6. */
export function signed(n: number): number[] {
  const bytes = [];
  for (; n < -64 || n > 63; n >>= 7) bytes.push(n & 127 | 128);
  return [...bytes, n & 127];
}

const simd = (opcode: number, ...rest: number[]): Code => [
  0xfd,
  ...unsigned(opcode),
  ...rest,
];
/** An address is taken from the stack; `offset` bytes are added to it. */
const memory = (opcode: number, align: number) => (offset: number): Code =>
  simd(opcode, align, ...unsigned(offset));

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number): Code => [0x21, ...unsigned(local)];
/** Sets the local, and leaves the value on the stack. */
export const tee = (local: number): Code => [0x22, ...unsigned(local)];
export const constant = (n: number): Code => [0x41, ...signed(n)];
export const add: Code = [0x6a];
export const subtract: Code = [0x6b];
/** Repeats the body as long as it leaves a number other than 0 on the stack. */
export const repeat = (...body: Code[]): Code => [
  ...[0x03, 0x40],
  ...body.flat(),
  ...[0x0d, 0x00, 0x0b],
];
export const load = memory(0x00, 4);
export const store = memory(0x0b, 4);
export const zeroVector: Code = simd(0x0c, ...new Array(16).fill(0));

/** What differs between four f32 and two f64. */
export const LANES = {
  f32: {
    bytes: 4,
    /** Loads one number into all lanes. */
    splat: memory(0x09, 2),
    add: simd(0xe4),
    multiply: simd(0xe6),
    /** x · y + z, rounded once or twice, as the machine likes it. */
    relaxedMadd: simd(0x105),
  },
  f64: {
    bytes: 8,
    splat: memory(0x0a, 3),
    add: simd(0xf0),
    multiply: simd(0xf2),
    relaxedMadd: simd(0x107),
  },
};

/**
 * A module with one function, exported as `run`, on the memory that is imported
 * as `env.memory`, of one page or more. If none were said to be there, V8 would
 * make loads slower, by a sixth in kernel.ts.
 * @param parameters how many; all are i32
 * @param locals how many of which type, numbered after the parameters
 */
export function assemble(
  parameters: number,
  locals: [count: number, type: number][],
  body: Code,
): Uint8Array<ArrayBuffer> {
  const vector = (
    items: Code[],
  ) => [...unsigned(items.length), ...items.flat()];
  const sized = (content: Code) => [...unsigned(content.length), ...content];
  const name = (text: string) => sized([...new TextEncoder().encode(text)]);
  const section = (
    id: number,
    ...items: Code[]
  ) => [id, ...sized(vector(items))];
  const type = [0x60, ...vector(new Array(parameters).fill([I32])), 0];
  const code = [
    ...vector(locals.map(([count, type]) => [...unsigned(count), type])),
    ...body,
    0x0b,
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, type),
    ...section(2, [...name("env"), ...name("memory"), 0x02, 0x00, 1]),
    ...section(3, [0]),
    ...section(7, [...name("run"), 0x00, 0]),
    ...section(10, sized(code)),
  ]);
}

if (import.meta.main) {
  // x · y + z of four numbers each, at 0, 16 and 32, goes to 48.
  const at = (address: number) => [...constant(0), ...load(address)];
  const { multiply, add } = LANES.f32;
  const bytes = assemble(0, [], [
    ...constant(0),
    ...[at(0), at(16), multiply, at(32), add].flat(),
    ...store(48),
  ]);
  console.log([...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" "));
  const memory = new WebAssembly.Memory({ initial: 1 });
  const numbers = new Float32Array(memory.buffer);
  numbers.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const module = new WebAssembly.Module(bytes);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  (exports.run as () => void)();
  console.log("1 2 3 4 · 5 6 7 8 + 9 10 11 12 =", ...numbers.slice(12, 16));
}
