/**
 * Finds races of a GPU kernel without a driver: runs the invocations of its
 * workgroups side by side in an interpreter of WGSL, and names each two accesses to
 * the same memory that no barrier orders. A barrier that is the first statement of a
 * loop it overlooks, so none of ours is.
 *
 * @module
 */
import { detectRaces } from "wgsl_reflect";

/** A kernel, and what to run it on. */
export interface Kernel {
  name: string;
  code: string;
  /** Values of its `override` constants. */
  constants?: Record<string, number>;
  /** How many workgroups. */
  groups: number;
  /** Buffer i is @binding(i) of @group(0). */
  buffers: (Float32Array | Float16Array | Uint32Array)[];
}

/**
 * @returns a line for each race, and for each error of the interpreter
 * @throws {TypeError} if @binding(i) is no buffer of the code
 */
export function findRaces(
  { code, constants = {}, groups, buffers }: Kernel,
): string[] {
  // The interpreter knows no arrays whose size is an override.
  const fixed = code.replace(
    /override (\w+): u32(?: = (\d+))?;/g,
    (_, name, value) => `const ${name}: u32 = ${constants[name] ?? value}u;`,
  );
  const bound = buffers.map((data, i) => {
    const [, kind] = new RegExp(`@binding\\(${i}\\) var<(\\w+)`).exec(code) ??
      [];
    if (!kind) {
      throw new TypeError(`Cannot bind buffer ${i}: no @binding(${i})`);
    }
    const own = data.slice();
    return [i, kind === "uniform" ? { uniform: own } : own];
  });
  const complaints: string[] = []; // of what the interpreter could not do
  const { error } = console;
  console.error = (...words) => complaints.push(words.join(" "));
  try {
    const { races, errors } = detectRaces(fixed, "main", [groups], {
      0: Object.fromEntries(bound),
    });
    const messages = races.map(({ message }: { message: string }) => message);
    return [...messages, ...errors, ...complaints];
  } finally {
    console.error = error;
  }
}
