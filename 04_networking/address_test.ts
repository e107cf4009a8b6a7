import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { addressFamily, formatAddress, parseAddress } from "./address.ts";

// Goldens:
// python3 -c "
// import ipaddress
// for t in ['2001:0DB8:0:0:0:0:0:1', '1:0:0:2:0:0:0:3', '1:0:0:2:3:0:0:4', '::', '::1', '1::', 'fe80:0:0:0:0:0:0:0',
//           '1:2:3:4:5:6:0:8', '::ffff:1.2.3.4', '1:0:3:0:5:0:7:0', '0:0:1::', '10.0.255.1']:
//     a = ipaddress.ip_address(t); print(t, a.compressed, a.packed.hex())"
const GOLDENS = `
2001:0DB8:0:0:0:0:0:1 2001:db8::1 20010db8000000000000000000000001
1:0:0:2:0:0:0:3 1:0:0:2::3 00010000000000020000000000000003
1:0:0:2:3:0:0:4 1::2:3:0:0:4 00010000000000020003000000000004
:: :: 00000000000000000000000000000000
::1 ::1 00000000000000000000000000000001
1:: 1:: 00010000000000000000000000000000
fe80:0:0:0:0:0:0:0 fe80:: fe800000000000000000000000000000
1:2:3:4:5:6:0:8 1:2:3:4:5:6:0:8 00010002000300040005000600000008
::ffff:1.2.3.4 ::ffff:102:304 00000000000000000000ffff01020304
1:0:3:0:5:0:7:0 1:0:3:0:5:0:7:0 00010000000300000005000000070000
0:0:1:: 0:0:1:: 00000000000100000000000000000000
10.0.255.1 10.0.255.1 0a00ff01`.trim().split("\n").map((row) => row.split(" "));

for (const [text, right, hex] of GOLDENS) {
  Deno.test(`golden: ${text} is ${right}`, () => {
    const bytes = parseAddress(text);
    assertEquals(
      [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
      hex,
    );
    assertEquals(formatAddress(bytes), right);
    assertEquals(parseAddress(right), bytes);
    assertEquals(addressFamily(text), bytes.length === 4 ? 4 : 6);
  });
}

Deno.test("each address is written as the URL standard has it, and read back", () => {
  // Zeros often, so that there are runs of them.
  const group = fc.oneof(fc.constant(0), fc.nat({ max: 0xffff }));
  const address = fc.array(group, { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(address, (groups) => {
      const bytes = Uint8Array.from(groups.flatMap((g) => [g >> 8, g & 255]));
      const text = formatAddress(bytes);
      const long = groups.map((g) => g.toString(16)).join(":");
      assertEquals(`[${text}]`, new URL(`http://[${long}]/`).hostname);
      assertEquals(parseAddress(text), bytes);
      assertEquals(parseAddress(long), bytes);
    }),
    { seed: 7 },
  );
});

Deno.test("what is no address is an error, and of no family", () => {
  for (
    const text of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "010.0.0.1",
      "1.2.3.-4",
      "1.2.3.4 ",
      "0x1.2.3.4",
      ":",
      ":::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "1::2::3",
      "12345::",
      "g::",
      "::1.2.3",
      "::1.2.3.4:5",
      "1.2.3.4::",
      "fe80::1%eth0",
      "[::1]",
      "::1/64",
      "example.com",
    ]
  ) {
    assertThrows(
      () => parseAddress(text),
      SyntaxError,
      `Cannot read ${text} as an IP address`,
    );
    assertEquals(addressFamily(text), 0);
  }
});

Deno.test("an address has 4 or 16 bytes", () => {
  for (const size of [0, 3, 5, 15, 17]) {
    assertThrows(
      () => formatAddress(new Uint8Array(size)),
      RangeError,
      `Cannot write an address of ${size} bytes`,
    );
  }
});
