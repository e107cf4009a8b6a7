import { assert, assertEquals } from "@std/assert";
import { formatFields } from "./byte_fields.ts";
import { decode, encode, explain } from "./packet.ts";

// The SYN of packet_writer_test.ts, by scapy.
const SYN =
  "02005e10000102005e10001408004500003c1c46400040062069c0a80114cb007150" +
  "c93a01bb9a3b1c5d00000000a002faf064c70000020405b40402080a123456780000000001030307";
const bytes = Uint8Array.fromHex(SYN);

Deno.test("a frame that is read and written has its bytes again", () => {
  assertEquals(encode(decode(bytes)), bytes);
});

Deno.test("lines say where the bytes stand, and what they mean", () => {
  const lines = formatFields(explain(bytes));
  for (
    const line of [
      "   0  02 00 5e 10 00 01              to the network card 02:00:5e:10:00:01",
      "  14  45                             version 4, a header of 5 words: 20 bytes",
      "  22  40                             TTL: 64 more hops",
      "  26  c0 a8 01 14                    from 192.168.1.20",
      "  46  a0                             a header of 10 words: 40 bytes",
      "  47  02                             SYN",
      "  56  05 b4                          segments of 1460 bytes of data at most",
    ]
  ) assert(lines.includes(line), line);
});

const granted = (["run", "read"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);
const name =
  "the command explains a frame, and ends with 2 or 1 and a line if it cannot";
Deno.test({
  name: granted
    ? name
    : `needs --allow-run and --allow-read, so not tested: ${name}`,
  ignore: !granted,
  fn: async () => {
    const script = new URL("packet.ts", import.meta.url).pathname;
    for (
      const [given, code, out, err] of [
        [SYN, 0, /SYN/, /^$/],
        ["0", 2, /^$/, /^Cannot read the frame: it is no hex.*\nUsage: .*\n$/],
        ["xy", 2, /^$/, /^Cannot read the frame: it is no hex.*\nUsage: .*\n$/],
        [SYN.slice(0, 40), 1, /^$/, /^Cannot read the frame at byte 18: .*\n$/],
      ] as const
    ) {
      const result = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--quiet", script, given],
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assertEquals(result.code, code);
      assert(out.test(text(result.stdout)), text(result.stdout));
      assert(err.test(text(result.stderr)), text(result.stderr));
    }
  },
});
