import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { Value } from "./microgpt.ts";
import {
  crossEntropy,
  lossOfProbability,
  naiveSoftmax,
} from "./stable_loss.ts";

const values = (xs: number[]) => xs.map((x) => new Value(x));

// python3: from decimal import *; getcontext().prec = 50
// z = [Decimal(x) for x in (...)]; float((sum(x.exp() for x in z)).ln() - z[target])
const GOLDEN: [logits: number[], target: number, loss: number][] = [
  [[1, 2, 5], 0, 4.065883903757429],
  [[0, 20], 0, 20.000000002061153],
  [[0, 800], 1, 0],
  [[0, 800], 0, 800],
  [[0, 50], 1, 1.9287498479639178e-22],
  [[1000, 999], 1, 1.3132616875182228],
  [[-1000, -1001, -1002], 2, 2.40760596444438],
];
for (const [logits, target, expected] of GOLDEN) {
  Deno.test(`crossEntropy() of ${logits}, target ${target} is right, and finite`, () => {
    // The one step that loses digits is m + log Σ − z: up to 1000 in size.
    const loss = crossEntropy(values(logits), target).data;
    assertAlmostEquals(loss, expected, 2e-13);
  });
}

Deno.test("crossEntropy() has the gradient softmax − 1 at the target, at any gap", () => {
  for (const gap of [0, 20, 50, 800]) {
    const z = values([gap, 0]);
    crossEntropy(z, 1).backward();
    const p = 1 / (1 + Math.exp(gap));
    assertAlmostEquals(z[1].grad, p - 1, 1e-15);
    assertAlmostEquals(z[0].grad, 1 - p, 1e-15);
  }
});

Deno.test("crossEntropy() does not change when all logits shift together", () => {
  const logits = fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 1 });
  fc.assert(
    fc.property(logits, fc.integer({ min: -500, max: 500 }), (xs, c) => {
      const loss = crossEntropy(values(xs), 0).data;
      assertAlmostEquals(
        crossEntropy(values(xs.map((x) => x + c)), 0).data,
        loss,
        1e-12,
      );
      assert(loss >= 0);
    }),
  );
});

Deno.test("lossOfProbability() with an epsilon caps the loss and loses the gradient", () => {
  const z = values([800, 0]);
  const loss = lossOfProbability(z, 1, 1e-10);
  loss.backward();
  assertAlmostEquals(loss.data, -Math.log(1e-10), 1e-12); // 23.03, not 800
  assertEquals(z[1].grad, -0);
});

Deno.test("naiveSoftmax() of 1000 is NaN, without any error", () => {
  assertEquals(naiveSoftmax([1000, 999]), [NaN, NaN]);
  assertEquals(naiveSoftmax([0, 0]), [0.5, 0.5]);
});

Deno.test("crossEntropy() of a target that is no logit is an error", () => {
  for (const target of [-1, 2, 0.5]) {
    assertThrows(
      () => crossEntropy(values([1, 2]), target),
      RangeError,
      `Cannot take the loss of target ${target}: there are 2 logits`,
    );
  }
});
