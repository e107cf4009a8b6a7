import { assert, assertEquals, assertRejects } from "@std/assert";
import { run, testWith } from "./counterparts.ts";
import { DnsError } from "./dns_client.ts";
import { Resolver } from "./dns_resolver.ts";
import { type Fault, type Lab, startLab } from "./lab.ts";

const net = Deno.permissions.querySync({ name: "net" }).state === "granted";

/** A test in a lab, which needs the network of this machine. */
function test(
  name: string,
  fault: Fault | undefined,
  fn: (lab: Lab) => Promise<void>,
) {
  Deno.test({
    name: net ? name : `${name}: not tested without --allow-net`,
    ignore: !net,
    async fn() {
      const lab = await startLab(fault);
      try {
        await fn(lab);
      } finally {
        await lab.close();
      }
    },
  });
}

const find = async (lab: Lab, name: string) => {
  const outcomes: string[] = [];
  const onStep = ({ outcome }: { outcome: string }) =>
    void outcomes.push(outcome);
  const resolver = new Resolver({ hints: lab.hints, ask: lab.ask, onStep });
  const { records } = await resolver.resolve(name, "A");
  return {
    address: records.flatMap((r) => r.type === "A" ? [r.address] : [])[0],
    outcomes,
  };
};

/** A request by the runtime's own client, over what the lab leads to. */
async function get(
  lab: Lab,
  protocol: string,
  path = "/",
  host = "www.google.com",
) {
  const { address } = await find(lab, host);
  const tcp = await lab.connect(address, 443);
  const tls = await Deno.startTls(tcp, {
    ...{ hostname: host, alpnProtocols: [protocol], caCerts: [...lab.caCerts] },
  });
  const { alpnProtocol } = await tls.handshake().catch((error) => {
    tls.close();
    throw error;
  });
  if (protocol === "h2") {
    tls.close();
    return alpnProtocol ?? "";
  }
  const request =
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  await tls.write(new TextEncoder().encode(request));
  return await new Response(tls.readable).text();
}

test(
  "a name is found from the root down, at the balancer's address",
  undefined,
  async (lab) => {
    assertEquals(await find(lab, "www.google.com"), {
      address: "203.0.113.80",
      outcomes: [
        "referral to com",
        "referral to google.com",
        "alias",
        "answer",
      ],
    });
  },
);

test("origins speak both protocols, and take turns", undefined, async (lab) => {
  assertEquals(await get(lab, "h2"), "h2");
  const pages = [
    await get(lab, "http/1.1"),
    await get(lab, "http/1.1"),
    await get(lab, "http/1.1"),
  ];
  const servers = pages.map((page) => /server: (origin \d)/.exec(page)?.[1]);
  assertEquals(new Set(servers).size, 3);
  assert(pages.every((page) => page.startsWith("HTTP/1.1 200 OK\r\n")));
  assertEquals(lab.served, [1, 1, 1]);
});

test(
  "http: and the name without www lead to https: and www",
  undefined,
  async (lab) => {
    const plain = await lab.connect("203.0.113.80", 80);
    await plain.write(
      new TextEncoder().encode(
        "GET /a HTTP/1.1\r\nHost: google.com\r\nConnection: close\r\n\r\n",
      ),
    );
    const text = await new Response(plain.readable).text();
    assert(text.startsWith("HTTP/1.1 301"), text);
    assert(text.includes("location: https://www.google.com/a\r\n"), text);
    const bare = await get(lab, "http/1.1", "/b", "google.com");
    assert(bare.includes("location: https://www.google.com/b\r\n"), bare);
  },
);

test("where nothing is, nothing answers", undefined, async (lab) => {
  await assertRejects(
    () => lab.connect("192.0.2.1", 443),
    Deno.errors.ConnectionRefused,
  );
  await assertRejects(
    () => lab.connect("203.0.113.80", 8080),
    Deno.errors.ConnectionRefused,
  );
});

test("lost packets are sent again", "lost packets", async (lab) => {
  assertEquals((await find(lab, "www.google.com")).address, "203.0.113.80");
});

test("truncated answers come over TCP", "truncated answers", async (lab) => {
  assertEquals((await find(lab, "www.google.com")).address, "203.0.113.80");
});

test("a lame server is passed over", "lame delegation", async (lab) => {
  // The order is drawn: some of these meet the lame one first.
  const all = [];
  for (let n = 0; n < 20; n++) all.push(await find(lab, "www.google.com"));
  assert(all.every(({ address }) => address === "203.0.113.80"));
  assert(all.some(({ outcomes }) => outcomes.includes("REFUSED")));
});

test("a name may be missing", "no such name", async (lab) => {
  const { address, outcomes } = await find(lab, "www.google.com");
  assertEquals([address, outcomes.at(-1)], [undefined, "no such name"]);
});

for (
  const [fault, line] of [
    ["wrong certificate", "certificate not valid for name"],
    ["expired certificate", "certificate expired"],
    ["unknown authority", "invalid peer certificate"],
  ] as const
) {
  test(`TLS refuses: ${fault}`, fault, async (lab) => {
    await assertRejects(() => get(lab, "h2"), Error, line);
  });
}

test(
  "nothing may listen where the name leads",
  "nothing listens",
  async (lab) => {
    await assertRejects(() => get(lab, "h2"), Deno.errors.ConnectionRefused);
  },
);

test("a server of the lab can be silent", undefined, async (lab) => {
  const error = await assertRejects(
    () => lab.ask("192.0.2.1", "a", "A"),
    DnsError,
  );
  assert(["timeout", "refused"].includes(error.code));
});

testWith(
  "curl",
  "curl fetches the page over both protocols, and refuses what it must",
  async () => {
    const folder = await Deno.makeTempDir();
    const fetch = async (lab: Lab, ...args: string[]) => {
      await Deno.writeTextFile(`${folder}/root.pem`, lab.caCerts[0]);
      const { 443: secure, 80: open } = lab.ports;
      return await run("curl", [
        ...["--silent", "--include", "--compressed", "--max-time", "20"],
        ...["--cacert", `${folder}/root.pem`],
        ...["--connect-to", `www.google.com:443:127.0.0.1:${secure}`],
        ...["--connect-to", `google.com:80:127.0.0.1:${open}`],
        ...args,
      ]);
    };
    const lab = await startLab();
    for (
      const [option, status] of [["--http1.1", "HTTP/1.1 200 OK"], [
        "--http2",
        "HTTP/2 200",
      ]]
    ) {
      const { code, out: text } = await fetch(
        lab,
        option,
        "https://www.google.com/",
      );
      assertEquals(code, 0);
      assert(text.startsWith(status), text);
      assert(text.includes("façade, naïve, 東京"), text);
    }
    const redirected = await fetch(lab, "--location", "http://google.com/");
    assert(redirected.out.startsWith("HTTP/1.1 301"), redirected.out);
    assert(redirected.out.includes("HTTP/2 200"), redirected.out);
    await lab.close();
    // 60: the certificate is not to be trusted; 47: too many redirects.
    for (
      const [fault, expected] of [
        ["wrong certificate", 60],
        ["expired certificate", 60],
        ["unknown authority", 60],
        ["redirect loop", 47],
      ] as const
    ) {
      const broken = await startLab(fault);
      const { code } = await fetch(
        broken,
        ...["--location", "--max-redirs", "5", "https://www.google.com/"],
      );
      assertEquals(code, expected, fault);
      await broken.close();
    }
    await Deno.remove(folder, { recursive: true });
  },
);
