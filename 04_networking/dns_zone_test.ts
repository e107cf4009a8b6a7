import { assertEquals } from "@std/assert";
import { testWith, withProgram } from "./counterparts.ts";
import { ask } from "./dns_client.ts";
import { type Message, message, RCODES } from "./dns_message.ts";
import { type DnsRecord, formatRecord } from "./dns_record.ts";
import { answerFrom, type Zone } from "./dns_zone.ts";

const ttl = 300;
const soa = (name: string): DnsRecord => ({
  ...{
    name,
    ttl,
    type: "SOA",
    primary: `ns.${name}`,
    mailbox: `admin.${name}`,
  },
  ...{ serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 },
});
const a = (name: string, address = "192.0.2.1"): DnsRecord => ({
  ...{ name, ttl, type: "A", address },
});
const ZONES: Zone[] = [
  {
    origin: "example.com",
    records: [
      soa("example.com"),
      { name: "example.com", ttl, type: "NS", target: "ns.example.com" },
      a("ns.example.com", "192.0.2.53"),
      a("www.example.com"),
      a("www.example.com", "192.0.2.2"),
      {
        name: "alias.example.com",
        ttl,
        type: "CNAME",
        target: "WWW.example.com",
      },
      {
        name: "away.example.com",
        ttl,
        type: "CNAME",
        target: "www.example.org",
      },
      {
        name: "dangling.example.com",
        ttl,
        type: "CNAME",
        target: "no.example.com",
      },
      { name: "x.example.com", ttl, type: "CNAME", target: "y.example.com" },
      { name: "y.example.com", ttl, type: "CNAME", target: "x.example.com" },
      {
        name: "sub.example.com",
        ttl,
        type: "NS",
        target: "ns.sub.example.com",
      },
      { name: "sub.example.com", ttl, type: "NS", target: "ns.example.com" },
      { name: "sub.example.com", ttl, type: "NS", target: "ns.example.org" },
      a("ns.sub.example.com", "192.0.2.54"),
      {
        name: "below.example.com",
        ttl,
        type: "CNAME",
        target: "a.sub.example.com",
      },
      a("only.below.deep.example.com"),
      { name: "*.wild.example.com", ttl, type: "TXT", texts: ["any"] },
      a("one.wild.example.com"),
    ],
  },
  { origin: "deep.example.org", records: [soa("deep.example.org")] },
  { origin: "example.org", records: [soa("example.org")] },
];

function look(name: string, type = "A", query: Partial<Message> = {}) {
  const reply = answerFrom(
    ZONES,
    message({ id: 7, questions: [{ name, type }], ...query }),
  );
  assertEquals([reply.id, reply.response], [7, true]);
  return brief(reply);
}

/** Status, whether authoritative, and the records of each section. */
function brief(reply: Message) {
  const lines = (records: readonly DnsRecord[]) =>
    records.map((record) =>
      record.type === "SOA" ? `SOA ${record.name}` : formatRecord(record)
    );
  return [
    `${RCODES[reply.rcode]}${reply.authoritative ? " aa" : ""}`,
    lines(reply.answers),
    lines(reply.authorities),
    lines(reply.additionals),
  ];
}

// Each is what knotd 3.2.6 answers for these zones: the last test asks it.
const A1 = "www.example.com. 300 IN A 192.0.2.1";
const A2 = "www.example.com. 300 IN A 192.0.2.2";
const SOA = ["SOA example.com"];
const CUT = [
  "sub.example.com. 300 IN NS ns.sub.example.com.",
  "sub.example.com. 300 IN NS ns.example.com.",
  "sub.example.com. 300 IN NS ns.example.org.",
];
const GLUE = [
  "ns.sub.example.com. 300 IN A 192.0.2.54",
  "ns.example.com. 300 IN A 192.0.2.53",
];

const LOOKS = [
  ["a name that is there", "www.example.com", "A", [
    "NOERROR aa",
    [A1, A2],
    [],
    [],
  ]],
  ["a name in other case", "WwW.Example.COM", "A", [
    "NOERROR aa",
    [A1, A2],
    [],
    [],
  ]],
  ["a type that is missing", "www.example.com", "AAAA", [
    "NOERROR aa",
    [],
    SOA,
    [],
  ]],
  ["a name that is missing", "no.example.com", "A", [
    "NXDOMAIN aa",
    [],
    SOA,
    [],
  ]],
  [
    "a name with nothing but names below",
    ...["deep.example.com", "A", ["NOERROR aa", [], SOA, []]] as const,
  ],
  [
    "an alias, and where it leads",
    ...["alias.example.com", "A"] as const,
    [
      "NOERROR aa",
      [
        "alias.example.com. 300 IN CNAME WWW.example.com.",
        ...[A1, A2],
      ],
      [],
      [],
    ],
  ],
  [
    "an alias itself",
    ...["alias.example.com", "CNAME"] as const,
    [
      "NOERROR aa",
      ["alias.example.com. 300 IN CNAME WWW.example.com."],
      [],
      [],
    ],
  ],
  [
    "an alias to another zone",
    ...["away.example.com", "A"] as const,
    [
      "NOERROR aa",
      ["away.example.com. 300 IN CNAME www.example.org."],
      [],
      [],
    ],
  ],
  [
    "an alias in a ring",
    ...["x.example.com", "A"] as const,
    [
      "NOERROR aa",
      [
        "x.example.com. 300 IN CNAME y.example.com.",
        "y.example.com. 300 IN CNAME x.example.com.",
      ],
      [],
      [],
    ],
  ],
  [
    "an alias to nothing",
    ...["dangling.example.com", "A"] as const,
    [
      "NXDOMAIN aa",
      ["dangling.example.com. 300 IN CNAME no.example.com."],
      SOA,
      [],
    ],
  ],
  ["a name below a cut", "a.b.sub.example.com", "A", [
    "NOERROR",
    [],
    CUT,
    GLUE,
  ]],
  ["the cut itself", "sub.example.com", "A", ["NOERROR", [], CUT, GLUE]],
  ["glue", "ns.sub.example.com", "A", ["NOERROR", [], CUT, GLUE]],
  [
    "an alias to below a cut",
    ...["below.example.com", "A"] as const,
    [
      "NOERROR aa",
      ["below.example.com. 300 IN CNAME a.sub.example.com."],
      CUT,
      GLUE,
    ],
  ],
  [
    "a name that a wildcard stands for",
    ...["q.wild.example.com", "TXT"] as const,
    ["NOERROR aa", ['q.wild.example.com. 300 IN TXT "any"'], [], []],
  ],
  [
    "one two labels below the wildcard's parent",
    ...["q.r.wild.example.com", "TXT"] as const,
    ["NOERROR aa", ['q.r.wild.example.com. 300 IN TXT "any"'], [], []],
  ],
  [
    "a name that is there beside a wildcard",
    ...["one.wild.example.com", "TXT", ["NOERROR aa", [], SOA, []]] as const,
  ],
  [
    "a name below one that is there beside a wildcard",
    ...["q.one.wild.example.com", "TXT", [
      "NXDOMAIN aa",
      [],
      SOA,
      [],
    ]] as const,
  ],
  [
    "the deepest zone",
    ...["a.deep.example.org", "A"] as const,
    ["NXDOMAIN aa", [], ["SOA deep.example.org"], []],
  ],
  ["a name of no zone", "example.net", "A", ["REFUSED", [], [], []]],
  ["a zone that looks alike", "badexample.com", "A", ["REFUSED", [], [], []]],
] as [string, string, string, unknown[]][];

for (const [what, name, type, expected] of LOOKS) {
  Deno.test(`the answer for ${what}: ${name} ${type}`, () => {
    assertEquals(look(name, type), expected);
  });
}

Deno.test("a query without a question, with two, or of another kind gets no answer", () => {
  const question = { name: "www.example.com", type: "A" };
  assertEquals(look("", "A", { questions: [] })[0], "FORMERR");
  assertEquals(
    look("", "A", { questions: [question, question] })[0],
    "FORMERR",
  );
  // Not even repeated: thousands in one packet would come back longer than they came.
  const many = message({ questions: [question, question] });
  assertEquals(answerFrom(ZONES, many).questions, []);
  assertEquals(look("www.example.com", "A", { opcode: 4 }), [
    "NOTIMP",
    [],
    [],
    [],
  ]);
});

Deno.test("EDNS is answered with EDNS, and not without", () => {
  const questions = [{ name: "www.example.com", type: "A" }];
  const edns = { size: 4096, version: 0, dnssecOk: true, options: [] };
  const reply = answerFrom(ZONES, message({ questions, edns }));
  assertEquals(reply.edns, {
    ...{ size: 1232, version: 0, dnssecOk: true, options: [] },
  });
  assertEquals(answerFrom(ZONES, message({ questions })).edns, undefined);
});

Deno.test("a version of EDNS that is not known is BADVERS, with the one that is", () => {
  const questions = [{ name: "www.example.com", type: "A" }];
  const edns = { size: 4096, version: 1, dnssecOk: false, options: [] };
  const { rcode, edns: known, answers } = answerFrom(
    ZONES,
    message({ questions, edns }),
  );
  assertEquals([rcode, known?.version, answers], [16, 0, []]);
});

Deno.test("the root zone holds every name", () => {
  const root: Zone = {
    origin: ".",
    records: [
      soa("."),
      { name: "com", ttl, type: "NS", target: "a.gtld-servers.net" },
      a("a.gtld-servers.net", "192.0.2.9"),
      { name: "*", ttl, type: "TXT", texts: ["wild"] },
    ],
  };
  const at = (name: string, type: string) =>
    answerFrom([root], message({ questions: [{ name, type }] }));
  assertEquals(at("www.example.com", "A").additionals.length, 1);
  assertEquals(at(".", "SOA").answers.length, 1);
  assertEquals(at("org", "TXT").answers.length, 1);
});

const server = (port: number) => ({ address: "127.0.0.1", port });

testWith("knotd", "knotd answers all these questions alike", () =>
  withProgram(
    "knotd",
    (folder, port) => ({
      "knot.conf":
        `server:\n  listen: 127.0.0.1@${port}\n  rundir: "${folder}"\n` +
        `database:\n  storage: "${folder}"\nzone:\n` +
        ZONES.map(({ origin }) =>
          `  - domain: ${origin}\n    file: "${folder}/${origin}.zone"\n` +
          "    semantic-checks: off\n"
        ).join(""),
      ...Object.fromEntries(ZONES.map(({ origin, records }) => [
        `${origin}.zone`,
        records.map((record) => `${formatRecord(record)}\n`).join(""),
      ])),
    }),
    (folder) => ["-c", `${folder}/knot.conf`],
    (port) =>
      ask(server(port), "deep.example.org", "SOA", { timeout: 100, tries: 1 })
        .then(({ rcode }) => rcode === 0, () => false),
    async (port) => {
      for (const [, name, type, expected] of LOOKS) {
        const reply = brief(await ask(server(port), name, type));
        // Records of one name and type have no order, and names keep no case: knotd
        // repeats that of the question.
        const sorted = ([status, ...sections]: unknown[]) => [
          status,
          ...(sections as string[][]).map((lines) =>
            lines.map((line) => line.toLowerCase()).sort()
          ),
        ];
        assertEquals(sorted(reply), sorted(expected), `${name} ${type}`);
      }
    },
  ));
