import { assertAlmostEquals, assertThrows } from "@std/assert";
import { attend, type Attention, randomAttention } from "./attention.ts";
import { gradients } from "./attention_backward.ts";
import { lehmer, randomFloats } from "./testing.ts";

const random = lehmer(5);
const NAMES = ["dQuery", "dKey", "dValue"] as const;

/** Random attention, and the gradient of its output. */
function problem(sizes: Partial<Attention>): [Attention, Float32Array] {
  const x = randomAttention(sizes, random);
  return [x, randomFloats(x.query.length, random)];
}

const CASES: [name: string, sizes: Partial<Attention>][] = [
  ["of one head", { N: 3, S: 5, D: 2 }],
  ["that is causal", { B: 2, H: 2, N: 4, S: 4, D: 3, causal: true }],
  ["with rows that have no key", { N: 5, S: 2, D: 3, causal: true }],
  ["whose last query is last", { N: 2, S: 5, D: 3, causal: true }],
  ["whose heads share keys", { B: 2, H: 4, G: 2, N: 3, S: 2, D: 3 }],
  ["with padding", {
    ...{ B: 2, H: 2, G: 1, N: 3, S: 4, D: 2 },
    keep: Uint8Array.of(1, 0, 1, 1, 0, 0, 0, 0),
  }],
];
for (const [name, sizes] of CASES) {
  Deno.test(`gradients() of attention ${name} are the slopes of its output`, () => {
    const [y, dOutput] = problem(sizes);
    const f64 = (numbers: Float32Array) =>
      Float64Array.from(numbers) as unknown as Float32Array;
    const [query, key, value] = [y.query, y.key, y.value].map(f64);
    const x = { ...y, query, key, value };
    const got = gradients(x, dOutput);
    const loss = () =>
      attend(x).output.reduce((sum, o, i) => sum + o * dOutput[i], 0);
    const h = 2 ** -17;
    for (const [at, numbers] of [query, key, value].entries()) {
      numbers.forEach((was, i) => {
        numbers[i] = was + h;
        const above = loss();
        numbers[i] = was - h;
        const slope = (above - loss()) / (2 * h);
        numbers[i] = was;
        // h² of the third derivative, about 6e-11, and 2^-52 / h of roundings, 3e-11.
        assertAlmostEquals(got[NAMES[at]][i], slope, 1e-9);
      });
    }
  });
}

Deno.test("gradients() are those of the same formula in numpy, by complex steps", () => {
  // The imaginary part of f(x + 1e-200 i) / 1e-200 is the slope. With numpy 2.4.6:
  // python3 - <<END
  //   import numpy as np
  //   B,H,G,N,S,D=1,2,1,3,4,2
  //   def ramp(n,a,m): return ((np.arange(n)*a)%m)/8-0.5
  //   q=ramp(B*H*N*D,5,9).reshape(H,N,D).astype(complex)
  //   k=ramp(S*D,3,7).reshape(S,D).astype(complex)
  //   v=ramp(S*D,5,8).reshape(S,D).astype(complex)
  //   g=ramp(B*H*N*D,4,11).reshape(H,N,D); keep=np.array([1,1,0,1])
  //   def loss():
  //     z=q@k.T/np.sqrt(D)
  //     ok=(np.arange(S)[None]<=np.arange(N)[:,None]+S-N)&(keep==1)
  //     e=np.where(ok,np.exp(z),0)
  //     return (e/e.sum(-1,keepdims=True)@v*g).sum()
  //   for x in (q,k,v):
  //     f=x.reshape(-1); out=[]
  //     for i in range(f.size):
  //       w=f[i]; f[i]=w+1e-200j; out.append(loss().imag/1e-200); f[i]=w
  //     print([float(f"{y:.12g}") for y in out])
  // END
  const ramp = (length: number, a: number, m: number) =>
    Float32Array.from({ length }, (_, i) => (i * a) % m / 8 - 0.5);
  const x: Attention = {
    ...{ B: 1, H: 2, G: 1, N: 3, S: 4, D: 2, causal: true },
    query: ramp(12, 5, 9),
    key: ramp(8, 3, 7),
    value: ramp(8, 5, 8),
    keep: Uint8Array.of(1, 1, 0, 1),
  };
  const expected = {
    // deno-fmt-ignore
    dQuery: [-0.0162606902413, 0.00271011504021, 0.00409303633902, -0.000682172723169, 0.0135410871569, 0.00429060698834, 3.39941662484e-18, 0.0, 0.0207059070282, -0.00345098450471, 0.00460311899913, -0.0207069745487],
    // deno-fmt-ignore
    dKey: [-0.00976667530718, 0.022032399061, -0.00439105229762, 0.0120226275205, 0.0, 0.0, 0.0141577276048, -0.0340550265815],
    // deno-fmt-ignore
    dValue: [0.389793893588, -0.0572195382103, 0.438655455811, -0.0842228127329, 0.0, 0.0, 0.171550650601, 0.0164423509432],
  };
  const got = gradients(x, ramp(12, 4, 11));
  for (const name of NAMES) {
    // Twelve digits of numbers below 1 are given.
    expected[name].forEach((y, i) =>
      assertAlmostEquals(got[name][i], y, 1e-12)
    );
  }
});

Deno.test("gradients() name what they cannot do", () => {
  const [x] = problem({ B: 2, H: 2, N: 3, D: 5 });
  const short = new Float32Array(59);
  assertThrows(
    () => gradients(x, short),
    RangeError,
    "Cannot find gradients with B=2 H=2 N=3 D=5: dOutput has 59 numbers, not 60",
  );
  assertThrows(
    () => gradients({ ...x, G: 3 }, short),
    RangeError,
    "2 heads cannot share 3 evenly",
  );
});
