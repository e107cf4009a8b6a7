import { assert, assertEquals, assertThrows } from "@std/assert";
import { createSocket } from "node:dgram";
import { testWith, withProgram } from "./counterparts.ts";
import { formatAnswer, formatStep, readArgs, reverseName } from "./dns.ts";
import { ask } from "./dns_client.ts";
import { decode, encode } from "./dns_message.ts";
import { formatRecord } from "./dns_record.ts";
import { Resolver } from "./dns_resolver.ts";

Deno.test("readArgs() reads name, type, server and trace", () => {
  const rest = { type: "A", trace: false, bytes: false };
  assertEquals(readArgs(["WWW.Google.com."]), {
    name: "www.google.com",
    ...rest,
  });
  assertEquals(
    readArgs([
      "a",
      "--type",
      "aaaa",
      "--trace",
      "--server",
      "::1",
      "--port",
      "99",
    ]),
    {
      ...{ name: "a", type: "AAAA", trace: true, bytes: false },
      server: { address: "::1", port: 99 },
    },
  );
  assertEquals(readArgs(["a", "--server", "9.9.9.9"]).server?.port, 53);
  assertEquals(readArgs(["."]).name, ".");
});

Deno.test("an address is looked up backwards", () => {
  assertEquals(readArgs(["192.0.2.1"]), {
    ...{ name: "1.2.0.192.in-addr.arpa", type: "PTR" },
    ...{ trace: false, bytes: false },
  });
  assertEquals(readArgs(["192.0.2.1", "--type", "NS"]).type, "NS");
  // The example of RFC 3596, 2.5.
  assertEquals(
    reverseName("4321:0:1:2:3:4:567:89ab"),
    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
  );
});

Deno.test("wrong arguments are errors of one line", () => {
  for (
    const [args, line] of [
      [[], "No name"],
      [["a", "b"], "One name at a time, not b"],
      [["a", "--typ", "A"], "Unknown option --typ"],
      [["a", "--type", "X"], "Cannot use the type X: it has no number"],
      [["a", "--server", "dns.google"], "--server dns.google is no IP address"],
      [["a", "--port", "0"], "--port 0 is no port: needs 1 to 65535"],
      [["a", "--port", "x"], "--port x is no port"],
      [["a..b"], "Cannot use the name a..b: it has a label of 0 bytes"],
    ] as const
  ) {
    assertThrows(() => readArgs(args), SyntaxError, line);
  }
});

Deno.test("an answer and a step read like those of dig", () => {
  const records = [{
    name: "a",
    ttl: 5,
    type: "A",
    address: "192.0.2.1",
  }] as const;
  const request = { name: "a", type: "A", trace: false, bytes: false };
  assertEquals(
    formatAnswer(request, "NOERROR", records, "3 ms"),
    `;; status: NOERROR, answers: 1
;; QUESTION
;a. IN A
;; ANSWER
a. 5 IN A 192.0.2.1
;; 3 ms`,
  );
  assertEquals(
    formatAnswer({ ...request, name: "." }, "NXDOMAIN", [], "3 ms"),
    ";; status: NXDOMAIN, answers: 0\n;; QUESTION\n;. IN A\n;; 3 ms",
  );
  const step = {
    ...{ name: "a", type: "A", zone: ".", server: "root.test" },
    ...{ address: "10.0.0.1", ms: 3.4, outcome: "referral to com" },
  };
  assertEquals(
    formatStep(step),
    ";; root.test (10.0.0.1) for the root: a A? referral to com, 3 ms",
  );
});

const granted = (["net", "run"] as const).every((name) =>
  Deno.permissions.querySync({ name }).state === "granted"
);

/** Runs the command with these flags of Deno's and arguments. */
async function dns(flags: string[], ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      ...flags,
      import.meta.resolve("./dns.ts"),
      ...args,
    ],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out, err };
}

Deno.test({
  name: granted
    ? "the command asks a server, and ends in one line if it cannot"
    : "needs --allow-net and --allow-run, so not tested here: the command",
  ignore: !granted,
  async fn() {
    const socket = createSocket("udp4");
    socket.on("message", (bytes, { port, address }) => {
      const query = decode(new Uint8Array(bytes));
      const [{ name }] = query.questions;
      const answers = [
        { name, ttl: 5, type: "A", address: "192.0.2.1" } as const,
      ];
      const reply = name === "a"
        ? { ...query, response: true, answers }
        : { ...query, response: true, rcode: 3 };
      socket.send(encode(reply), port, address);
    });
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
    const at = ["--server", "127.0.0.1", "--port", `${socket.address().port}`];

    const right = await dns(["--allow-net"], "a", ...at);
    assertEquals([right.code, right.err], [0, ""]);
    assert(right.out.includes("\na. 5 IN A 192.0.2.1\n"), right.out);
    const shown = await dns(["--allow-net"], "a", "--bytes", ...at);
    assert(shown.out.startsWith(";; to 127.0.0.1\n   0  "), shown.out);
    assert(shown.out.includes("question: a\n"), shown.out);
    assert(/^;; from 127.0.0.1$/m.test(shown.out), shown.out);
    const none = await dns(["--allow-net"], "b", ...at);
    assertEquals(none.code, 0);
    assert(none.out.startsWith(";; status: NXDOMAIN, answers: 0\n"), none.out);
    await new Promise<void>((done) => socket.close(done));

    assertEquals(await dns([], "a", ...at), {
      ...{ code: 1, out: "", err: "Cannot use the network: add --allow-net\n" },
    });
    const wrong = await dns(["--allow-net"], "a", "b");
    assertEquals([wrong.code, wrong.out], [2, ""]);
    assertEquals(wrong.err.split("\n").length, 3);
    assert(wrong.err.startsWith("One name at a time, not b\nUsage: deno run"));
  },
});

/** What three servers have, by the address that the others know them by. */
const ZONES: Record<string, Record<string, string>> = {
  "198.51.100.1": {
    ".": `. 300 SOA a.root. admin. 1 7200 900 1209600 60
. 300 NS a.root.
a.root. 300 A 198.51.100.1
com. 300 NS a.gtld.com.
a.gtld.com. 300 A 198.51.100.2`,
  },
  "198.51.100.2": {
    "com.": `com. 300 SOA a.gtld.com. admin. 1 7200 900 1209600 60
com. 300 NS a.gtld.com.
a.gtld.com. 300 A 198.51.100.2
google.com. 300 NS ns1.google.com.
ns1.google.com. 300 A 198.51.100.3
example.com. 300 NS ns1.google.com.`,
  },
  "198.51.100.3": {
    "google.com.":
      `google.com. 300 SOA ns1.google.com. admin. 1 7200 900 1209600 60
google.com. 300 NS ns1.google.com.
ns1.google.com. 300 A 198.51.100.3
www.google.com. 300 CNAME web.google.com.
web.google.com. 60 A 203.0.113.80
web.google.com. 60 AAAA 2001:db8::80`,
    "example.com.":
      `example.com. 300 SOA ns1.google.com. admin. 1 7200 900 1209600 60
example.com. 300 NS ns1.google.com.
www.example.com. 300 CNAME www.google.com.`,
  },
};

/** Lets knotd serve each address's zones while `work` runs; it gets their ports. */
function withServers(
  addresses: readonly string[],
  ports: Record<string, number>,
  work: (ports: Record<string, number>) => Promise<void>,
): Promise<void> {
  const [address, ...rest] = addresses;
  if (address === undefined) return work(ports);
  const zones = Object.entries(ZONES[address]);
  const [[first]] = zones;
  return withProgram(
    "knotd",
    (folder, port) => ({
      "knot.conf":
        `server:\n  listen: 127.0.0.1@${port}\n  rundir: "${folder}"\n` +
        `database:\n  storage: "${folder}"\nzone:\n` +
        zones.map(([origin], i) =>
          `  - domain: ${origin}\n    file: "${folder}/${i}.zone"\n`
        ).join(""),
      ...Object.fromEntries(
        zones.map(([, text], i) => [`${i}.zone`, `${text}\n`]),
      ),
    }),
    (folder) => ["-c", `${folder}/knot.conf`],
    (port) =>
      ask({ address: "127.0.0.1", port }, first, "SOA", {
        ...{ timeout: 100, tries: 1 },
      }).then(({ rcode }) => rcode === 0, () => false),
    (port) => withServers(rest, { ...ports, [address]: port }, work),
  );
}

testWith(
  "knotd",
  "the resolver finds its way through three of knotd's servers",
  () =>
    withServers(Object.keys(ZONES), {}, async (ports) => {
      const resolver = new Resolver({
        hints: { "a.root": ["198.51.100.1"] },
        families: [4],
        ask: (address, name, type) =>
          ask({ address: "127.0.0.1", port: ports[address] }, name, type),
      });
      for (
        const [name, type, status, asked, lines] of [
          ["www.google.com", "A", "found", 4, [
            ...["www.google.com. 300 IN CNAME web.google.com."],
            "web.google.com. 60 IN A 203.0.113.80",
          ]],
          ["web.google.com", "AAAA", "found", 1, [
            "web.google.com. 60 IN AAAA 2001:db8::80",
          ]],
          ["mail.google.com", "A", "no-such-name", 1, []],
          ["web.google.com", "TXT", "no-data", 1, []],
          // Its server has no glue there, but its address is known by now.
          ["www.example.com", "A", "found", 2, [
            "www.example.com. 300 IN CNAME www.google.com.",
            "www.google.com. 300 IN CNAME web.google.com.",
            "web.google.com. 60 IN A 203.0.113.80",
          ]],
          ["nothing.org", "A", "no-such-name", 1, []],
        ] as const
      ) {
        const found = await resolver.resolve(name, type);
        const shown = found.records.map((record) =>
          // What is left of a ttl depends on the clock.
          formatRecord({ ...record, ttl: record.ttl > 60 ? 300 : 60 })
        );
        assertEquals(
          [found.status, found.asked, shown],
          [status, asked, [...lines]],
          name,
        );
      }
    }),
);
