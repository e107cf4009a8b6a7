import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { adam, bowl, descend } from "./adam_bowl.ts";

Deno.test("descend() shrinks x by 1 − rate and y by 1 − 100 rate a step", () => {
  const path = descend(0.019, 50);
  assertEquals(path.length, 51);
  assertAlmostEquals(path[50][0], 0.981 ** 50, 1e-14);
  assertAlmostEquals(path[50][1], (-0.9) ** 50, 1e-14);
});

Deno.test("descend() flies out of the bowl above a rate of 2 / 100", () => {
  assert(bowl(descend(0.021, 60)[60]) > bowl([1, 1]));
});

Deno.test("adam() moves alike along the steep way and the flat way", () => {
  // The same epsilon of 1e-8 weighs 100 times more on the flat one.
  for (const [x, y] of adam(0.2, 60)) assertAlmostEquals(x, y, 1e-6);
});

Deno.test("adam() gets lower in 60 steps than descend() at its best rate", () => {
  const best = Math.min(
    ...Array.from({ length: 40 }, (_, i) => bowl(descend(i / 2000, 60)[60])),
  );
  assert(bowl(adam(0.2, 60)[60]) < best / 10);
});
