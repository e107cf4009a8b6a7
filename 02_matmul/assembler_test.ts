import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import * as wasm from "./assembler.ts";

Deno.test("unsigned() and signed() are LEB128", () => {
  // the examples of DWARF 5, 7.6, and of WebAssembly's specification, 5.2.2
  assertEquals(wasm.unsigned(2), [2]);
  assertEquals(wasm.unsigned(127), [127]);
  assertEquals(wasm.unsigned(128), [0x80, 1]);
  assertEquals(wasm.unsigned(12857), [0xb9, 0x64]);
  assertEquals(wasm.unsigned(2 ** 32 - 1), [0xff, 0xff, 0xff, 0xff, 0x0f]);
  assertEquals(wasm.signed(2), [2]);
  assertEquals(wasm.signed(-2), [0x7e]);
  assertEquals(wasm.signed(63), [63]);
  assertEquals(wasm.signed(64), [0xc0, 0]);
  assertEquals(wasm.signed(-64), [0x40]);
  assertEquals(wasm.signed(-65), [0xbf, 0x7f]);
  assertEquals(wasm.signed(127), [0xff, 0]);
  assertEquals(wasm.signed(-128), [0x80, 0x7f]);
});

Deno.test("assemble() is what wat2wasm makes of the same text", () => {
  // wat2wasm --enable-all (wabt 1.0.39): a loop with load64_splat, tee, drop,
  // relaxed_madd and store
  const { splat, relaxedMadd } = wasm.LANES.f64;
  const bytes = wasm.assemble(
    2,
    [[2, wasm.I32], [1, wasm.V128]],
    wasm.repeat(
      wasm.get(0),
      splat(200),
      wasm.tee(4),
      [0x1a],
      wasm.get(1),
      wasm.get(4),
      wasm.get(4),
      wasm.get(4),
      relaxedMadd,
      wasm.store(16),
      wasm.get(0),
      wasm.constant(-65),
      wasm.add,
      wasm.tee(0),
    ),
  );
  assertEquals(
    bytes.toHex(),
    "0061736d0100000001060160027f7f00020f0103656e76066d656d6f7279020001030201000707010372756e00000a2e012c02027f017b03402000fd0a03c80122041a2001200420042004fd8702fd0b0410200041bf7f6a22000d000b0b",
  );
});

/** Runs a body on a memory, and gives that back. */
function run(
  kind: "f32" | "f64",
  numbers: number[],
  body: wasm.Code,
): number[] {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const heap = kind === "f32"
    ? new Float32Array(memory.buffer)
    : new Float64Array(memory.buffer);
  heap.set(numbers);
  const module = new WebAssembly.Module(
    wasm.assemble(0, [[1, wasm.I32]], body),
  );
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  (exports.run as () => void)();
  return [...heap.subarray(0, 16)];
}

for (const kind of ["f32", "f64"] as const) {
  const lanes = wasm.LANES[kind];
  const count = 16 / lanes.bytes;
  const at = (address: number): wasm.Code => [
    ...wasm.constant(0),
    ...wasm.load(address),
  ];

  Deno.test(`${kind}: add and multiply work on each of ${count} lanes`, () => {
    const x = Array.from({ length: count }, (_, i) => i + 2);
    const y = x.map((value) => value / 4);
    for (const name of ["add", "multiply"] as const) {
      const body = [
        ...wasm.constant(0),
        ...at(0),
        ...at(16),
        ...lanes[name],
        ...wasm.store(32),
      ];
      assertEquals(
        run(kind, [...x, ...y], body).slice(2 * count, 3 * count),
        x.map((value, i) => name === "add" ? value + y[i] : value * y[i]),
      );
    }
  });

  Deno.test(`${kind}: splat puts one number into all lanes, zeroVector a zero`, () => {
    const splat = [
      ...wasm.constant(0),
      ...wasm.constant(0),
      ...lanes.splat(lanes.bytes),
      ...wasm.store(16),
      ...wasm.constant(0),
      ...wasm.zeroVector,
      ...wasm.store(0),
    ];
    const numbers = run(kind, [7, 8, 9, 10], splat);
    assertEquals(numbers.slice(0, count), new Array(count).fill(0));
    assertEquals(numbers.slice(count, 2 * count), new Array(count).fill(8));
  });
}

Deno.test("repeat() goes on until there is a 0", () => {
  // adds 16 to the address in local 0 until it is 64, and stores zeros on the way
  const body = wasm.repeat(
    [...wasm.get(0), ...wasm.zeroVector, ...wasm.store(0)],
    [...wasm.get(0), ...wasm.constant(16), ...wasm.add, ...wasm.tee(0)],
    [...wasm.constant(64), ...wasm.subtract],
  );
  const numbers = run("f32", new Array(20).fill(5), body);
  assertEquals(numbers, new Array(16).fill(0));
});

Deno.test("a constant of any 32-bit number arrives as it is", () => {
  fc.assert(fc.property(fc.integer(), (n) => {
    const bytes = wasm.signed(n);
    assert(bytes.length <= 5);
    // read back by hand: 7 bits a byte, and the sign from the last
    let value = 0n;
    bytes.forEach((byte, i) => value |= BigInt(byte & 127) << BigInt(7 * i));
    assertEquals(BigInt.asIntN(7 * bytes.length, value), BigInt(n));
    assertEquals(bytes.map((byte) => byte >> 7), [
      ...new Array(bytes.length - 1).fill(1),
      0,
    ]);
  }));
});
