/** Well-known wrong versions of this chapter's scripts; every one must turn a test red. */
export const bugs = [
  {
    file: "address.ts",
    name: "reads a leading zero as octal, or as nothing",
    find: "/^(0|[1-9]\\d{0,2})$/.test(part)",
    replace: "/^\\d{1,3}$/.test(part)",
    hint: "Is 010.0.0.1 the address 8.0.0.1 or 10.0.0.1?",
  },
  {
    file: "address.ts",
    name: "shortens the last of equal runs of zeros",
    find: "if (end - i > length)",
    replace: "if (end - i >= length && end - i > 1)",
    hint: "Which run becomes ::, if two are equally long?",
  },
  {
    file: "address.ts",
    name: "shortens a single group of zeros",
    find: "let [start, length] = [-1, 1];",
    replace: "let [start, length] = [-1, 0];",
    hint: "What does RFC 5952 say of one zero group?",
  },
  {
    file: "address.ts",
    name: "lets :: stand for no group at all",
    find: "sides.length === 2 && count < 8",
    replace: "sides.length === 2 && count <= 8",
    hint: "How many groups are in 1:2:3:4:5:6:7:8::?",
  },
  {
    file: "address.ts",
    name: "takes more than one ::",
    find: "sides.length === 2 && count < 8",
    replace: "sides.length > 1 && count < 8",
    hint: "How many groups is each :: of 1::2::3?",
  },
  {
    file: "dns_record.ts",
    name: "splits a name at a dot that has a backslash before it",
    find: `name.includes("\\\\") ? unescape(name) : name.split(".")`,
    replace: `name.split(".")`,
    hint: "How many labels has john\\.smith.example.com?",
  },
  {
    file: "dns_record.ts",
    name: "compares names with their case",
    find: "const lower = name.toLowerCase();",
    replace: "const lower = name;",
    hint: "Are WWW.example.com and www.example.com two names?",
  },
  {
    file: "dns_record.ts",
    name: "finds a zone by the end of the text, not of the labels",
    find: "name.endsWith(`.${zone}`)",
    replace: "name.endsWith(zone)",
    hint: "Is badexample.com within example.com?",
  },
  {
    file: "dns_record.ts",
    name: "forgets the root's byte in the length of a name",
    find: "let size = 1;",
    replace: "let size = 0;",
    hint: "How does a name end, in bytes?",
  },
  {
    file: "dns_record.ts",
    name: "lets an empty label through: it ends the name in the message",
    find: "if (length === 0 || length > 63) {",
    replace: "if (length > 63) {",
    hint: "What does a length of 0 mean in a message?",
  },
  {
    file: "dns_record.ts",
    name: "prints bytes in octal",
    find: "`${byte.charCodeAt(0)}`.padStart(3",
    replace: "byte.charCodeAt(0).toString(8).padStart(3",
    hint: "Which base has \\200 in a zone file?",
  },
  {
    file: "dns_wire.ts",
    name: "lets pointers lead anywhere, and only counts the jumps",
    find: "if (to >= furthest) {",
    replace: "if ((size += 4) > 2000) {",
    hint: "What does a pointer to itself lead to?",
  },
  {
    file: "dns_wire.ts",
    name: "goes on behind what the pointer led to",
    find: "if (back >= 0) this.at = back;",
    replace: "",
    hint: "Where does the record go on after a compressed name?",
  },
  {
    file: "dns_wire.ts",
    name: "takes the pointer's offset from its second byte alone",
    find: "(length & 0x3f) << 8 | this.u8()",
    replace: "this.u8()",
    hint: "How many bits has a pointer, and how long may a message be?",
  },
  {
    file: "dns_wire.ts",
    name: "compresses with offsets above 14 bits",
    find: "this.#length <= FURTHEST && ",
    replace: "",
    hint: "What is 0xc000 | 0x4001?",
  },
  {
    file: "dns_wire.ts",
    name: "tells ends of names apart by their text without lengths",
    find: "String.fromCharCode(parts[i].length) + parts[i] + end",
    replace: "`${parts[i].length}${parts[i]}${end}`",
    hint: "Is 1 0 9abcdefghi one label or two?",
  },
  {
    file: "dns_wire.ts",
    name: "puts no limit on names made of pointers",
    find: "if (size > LONGEST) this.fail(at, `a name above ${LONGEST} bytes`);",
    replace: "",
    hint: "How long may a name be?",
  },
  {
    file: "dns_wire.ts",
    name: "writes numbers in the machine's order",
    find: `this.#bytes[at] = x >> 8;
    this.#bytes[at + 1] = x;`,
    replace: `this.#bytes[at] = x;
    this.#bytes[at + 1] = x >> 8;`,
    hint: "Which byte of 0x0203 comes first on the network?",
  },
  {
    file: "dns_wire.ts",
    name: "does not look whether a length was used up",
    find: "if (this.at !== end) {",
    replace: "if (this.at < 0) {",
    hint:
      "Where does the next record begin, if this one's data is longer than it reads?",
  },
  {
    file: "dns_wire.ts",
    name: "writes a byte to the place before it grew",
    find:
      `const at = this.#grow(1); // first, as it may put other bytes in place
    this.#bytes[at] = x;`,
    replace: "this.#bytes[this.#grow(1)] = x;",
    hint: "Which is evaluated first: what is indexed, or the index?",
  },
  {
    file: "dns_message.ts",
    name: "compresses the target of SRV",
    find: "return to.name(value as string, false);",
    replace: "return to.name(value as string);",
    hint:
      "Which types may have compressed names, for a reader who does not know them?",
  },
  {
    file: "dns_message.ts",
    name: "loses the upper bits of an rcode",
    find: "rcode |= from.u8() << 4;",
    replace: "from.u8();",
    hint: "Where does EDNS keep the rest of an rcode?",
  },
  {
    file: "dns_message.ts",
    name: "does not count OPT among the additionals",
    find: `section === "additionals" && m.edns ? 1 : 0`,
    replace: "0",
    hint: "How does a reader know that OPT is there?",
  },
  {
    file: "dns_message.ts",
    name: "keeps a record for 68 years whose ttl is negative",
    find: "ttl > 0x7fffffff ? 0 : ttl",
    replace: "ttl",
    hint: "What does RFC 2181 say of a ttl whose highest bit is set?",
  },
  {
    file: "dns_message.ts",
    name: "ignores what is left at the end",
    find: "if (from.at < bytes.length) {",
    replace: "if (from.at > bytes.length) {",
    hint: "What may hide behind the last record?",
  },
  {
    file: "dns_message.ts",
    name: "reads strings of TXT up to the end of the message",
    find: "while (from.at < end) texts.push",
    replace: "while (from.at < end - 1) texts.push",
    hint: "Where does the last string of a TXT record end?",
  },
  {
    file: "dns_message.ts",
    name: "writes an IPv6 address where four bytes belong",
    find: "if (bytes.length !== (kind ===",
    replace: "if (bytes.length === 0 && (kind ===",
    hint: "How many bytes has an A record?",
  },
  {
    file: "dns_client.ts",
    name: "does not check the id of an answer",
    find: "return answer.response && answer.id === question.id &&",
    replace: "return answer.response &&",
    hint:
      "Who else could send you a packet, and what would they have to guess?",
  },
  {
    file: "dns_client.ts",
    name: "does not look whether the answer is to this question",
    find: "? same(answer, question)",
    replace: "? true",
    hint: "What if a late answer to the last question has the same id?",
  },
  {
    file: "dns_client.ts",
    name: "takes answers from anywhere",
    find: "if (from.port !== port || right(from.address) !== address) return;",
    replace: "if (from.port < 0) return;",
    hint: "Where did the packet come from?",
  },
  {
    file: "dns_client.ts",
    name: "gives up at the first packet that is nonsense",
    find: "if (!(error instanceof DnsFormatError)) end(() => reject(error));",
    replace: "end(() => reject(error));",
    hint: "Who can send you one byte, and what would that do?",
  },
  {
    file: "dns_client.ts",
    name: "uses the same id for each packet",
    find:
      "const randomId = () => crypto.getRandomValues(new Uint16Array(1))[0];",
    replace: "const randomId = () => 4711;",
    hint: "What must an attacker not know?",
  },
  {
    file: "dns_client.ts",
    name: "takes a truncated answer for the whole",
    find:
      "if (answer?.truncated) return await overTcp(server, question, wait, signal);",
    replace: "",
    hint: "What does the flag TC say?",
  },
  {
    file: "dns_client.ts",
    name: "reads what comes first over TCP as all",
    find: `    at += n;
`,
    replace: `    at += count;
`,
    hint: "How many bytes does a read from a stream return?",
  },
  {
    file: "dns_client.ts",
    name: "never sends the packet again",
    find: "for (let n = 0; n < tries; n++, wait *= 2) {",
    replace: "for (let n = 0; n < 1; n++) {",
    hint: "What does UDP promise?",
  },
  {
    file: "dns_client.ts",
    name: "does not try without EDNS",
    find: "return answer.rcode === 1 && !answer.edns",
    replace: "return answer.rcode > 99",
    hint: "What does a server say to a record OPT that it has never heard of?",
  },
  {
    file: "dns_client.ts",
    name: "waits on although nobody wants the answer any more",
    find: `signal?.addEventListener("abort", abort);`,
    replace: "",
    hint: "What should an abort signal do to a running question?",
  },
  {
    file: "dns_zone.ts",
    name: "says NXDOMAIN where only the type is missing",
    find: `if (found.length > 0 || alias?.type !== "CNAME") {`,
    replace:
      `if (found.length === 0 && !alias) return { answers, authorities: soa, authoritative: true, rcode: 3 };
    if (found.length > 0 || alias?.type !== "CNAME") {`,
    hint: "The name is there, the type is not. What is the rcode?",
  },
  {
    file: "dns_zone.ts",
    name: "says NXDOMAIN for a name that has only names below it",
    find: "all.some((r) => isWithin(r.owner, name))",
    replace: "all.some((r) => r.owner === name)",
    hint: "Does deep.example.com exist, if a.deep.example.com does?",
  },
  {
    file: "dns_zone.ts",
    name: "does not follow the alias within its own zone",
    find: "if (!isWithin(name, origin)) break;",
    replace: "break;",
    hint: "How many questions does a resolver need, if the server knows both?",
  },
  {
    file: "dns_zone.ts",
    name: "answers glue as if it were its own",
    find:
      `const cut = ancestors(name, origin).find((a) => at(a, "NS").length > 0);`,
    replace:
      `const cut = at(name).length > 0 ? undefined : ancestors(name, origin).find((a) => at(a, "NS").length > 0);`,
    hint: "Which zone does ns.sub.example.com belong to?",
  },
  {
    file: "dns_zone.ts",
    name: "sends referrals without addresses",
    find: "const additionals = addresses(authorities);",
    replace: "const additionals: DnsRecord[] = [];",
    hint:
      "How is ns.sub.example.com found, if sub.example.com must be asked for it?",
  },
  {
    file: "dns_zone.ts",
    name: "claims authority for what it gave away",
    find: "authoritative: n > 0 };",
    replace: "authoritative: true };",
    hint: "What does AA tell a resolver?",
  },
  {
    file: "dns_zone.ts",
    name: "lets a wildcard stand for names that are there",
    find:
      "const source = exists(name) ? name : wildcard(name, origin, exists);",
    replace:
      "const source = wildcard(name, origin, exists) ?? (exists(name) ? name : undefined);",
    hint: "When does *.example.com count?",
  },
  {
    file: "dns_server.ts",
    name: "sends what does not fit, without the flag TC",
    find: `if (transport === "tcp" || whole.length <= room) return whole;`,
    replace: "if (room > 0) return whole;",
    hint: "How many bytes of UDP did the client say that it takes?",
  },
  {
    file: "dns_server.ts",
    name: "does not read what size the client takes",
    find: "Math.max(PLAIN_SIZE, query.edns?.size ?? 0)",
    replace: "PLAIN_SIZE",
    hint: "What does EDNS say about the size?",
  },
  {
    file: "dns_server.ts",
    name: "answers answers",
    find: "if (bytes.length < 12 || bytes[2] & 0x80) return undefined;",
    replace: "if (bytes.length < 12) return undefined;",
    hint: "What do two servers do that answer each other?",
  },
  {
    file: "dns_server.ts",
    name: "ends the connection after one answer",
    find: `        at += await connection.write(framed.subarray(at));
      }
`,
    replace: `        at += await connection.write(framed.subarray(at));
      }
      return;
`,
    hint: "How many questions may come on one TCP connection?",
  },
  {
    file: "dns_server.ts",
    name: "takes one read for one message",
    find: `      at += n;
    }
    return bytes;`,
    replace: `      at = count;
    }
    return bytes;`,
    hint: "How much does a read of a stream return?",
  },
  {
    file: "dns_server.ts",
    name: "says nothing to a malformed question",
    find: "return encode(message({ id, response: true, rcode }));",
    replace: "return undefined;",
    hint: "How long does a client wait that gets no answer?",
  },
  {
    file: "dns_resolver.ts",
    name: "ignores the ttl",
    find: "if (!entry || left <= 0) return undefined;",
    replace: "if (!entry) return undefined;",
    hint: "For how long may an answer be kept?",
  },
  {
    file: "dns_resolver.ts",
    name: "hands out the ttl that came, not what is left of it",
    find:
      "const records = entry.records.map((record) => ({ ...record, ttl: left }));",
    replace: "const records = entry.records;",
    hint: "What does a second cache behind this one do with the ttl?",
  },
  {
    file: "dns_resolver.ts",
    name: "does not follow aliases",
    find: `if (alias?.type !== "CNAME" || type === "CNAME") {`,
    replace: `if (alias || type === "CNAME" || !alias) {`,
    hint:
      "What is the address of www.google.com, if that is another name for something?",
  },
  {
    file: "dns_resolver.ts",
    name: "believes whatever comes along",
    find: `const own = (record: DnsRecord) =>
      isWithin(canonicalName(record.name), zone);`,
    replace:
      `const own = (record: DnsRecord) => isWithin(canonicalName(record.name), ".");`,
    hint: "May the servers of evil.net say where www.example.com is?",
  },
  {
    file: "dns_resolver.ts",
    name: "follows referrals upwards",
    find: "below !== zone && isWithin(below, zone) && isWithin(name, below);",
    replace: "isWithin(name, below);",
    hint: "Where does a search end that may go up again?",
  },
  {
    file: "dns_resolver.ts",
    name: "gives glue as an answer",
    find: "if (glue.length > 0) keep(target, `glue ${type}`, glue);",
    replace: "if (glue.length > 0) keep(target, type, glue);",
    hint: "Who may say what the address of ns.example.com is?",
  },
  {
    file: "dns_resolver.ts",
    name: "forgets absences, and asks again each time",
    find: "const absent = { records: [], missing };",
    replace:
      `return { kind: "entry", outcome: "no", entry: { records: [], missing, until: 0 } };
    const absent = { records: [], missing };`,
    hint: "What does the SOA in an empty answer say?",
  },
  {
    file: "dns_resolver.ts",
    name: "takes a missing type for a missing name",
    find: `const missing = rcode === RCODES.indexOf("NXDOMAIN");`,
    replace:
      `const missing = rcode === RCODES.indexOf("NXDOMAIN") || message.answers.length === 0 && message.authoritative;`,
    hint: "What is the difference between NXDOMAIN and an empty answer?",
  },
  {
    file: "dns_resolver.ts",
    name: "gives up with the first server that fails",
    find: "tell(error.message);",
    replace: "throw error;",
    hint: "Why does a zone have several servers?",
  },
  {
    file: "dns_resolver.ts",
    name: "asks the servers always in the same order",
    find: ".sort(([a], [b]) => a - b).map(([, name]) => name);",
    replace: ".map(([, name]) => name);",
    hint: "Who does all the work, if everybody asks the first?",
  },
  {
    file: "dns.ts",
    name: "looks an IPv6 address up byte by byte, not digit by digit",
    find: `[...digits].reverse().join(".")`,
    replace: `bytes.map((byte) => byte.toString(16)).reverse().join(".")`,
    hint: "What is a label of ip6.arpa?",
  },
  {
    file: "dns.ts",
    name: "looks an IPv4 address up from the front",
    find: `bytes.reverse().join(".")}.in-addr.arpa`,
    replace: `bytes.join(".")}.in-addr.arpa`,
    hint:
      "Which byte of an address is the most general, and which label of a name?",
  },
  {
    file: "tcp.ts",
    name: "puts the same numbers under both sides",
    find: "`seq ${ahead(seq, isn[from])}`",
    replace: "`seq ${seq}`",
    hint: "From where does each side count?",
  },
  {
    file: "tcp.ts",
    name: "delivers what was lost",
    find: "for (const ms of fate.delays) {",
    replace: "for (const ms of fate.delays.length > 0 ? fate.delays : [50]) {",
    hint: "What has a simulation shown that loses nothing?",
  },
  {
    file: "tcp.ts",
    name: "damages nothing",
    find: "fate.damaged ? damage(segment) : segment",
    replace: "segment",
    hint: "Against what is the checksum?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "compares sequence numbers as plain numbers",
    find: "(a - b) | 0;",
    replace: "a - b;",
    hint: "Which number comes after 4,294,967,295?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "does not check the checksum",
    find:
      `if (checksumOf(rest) !== checksum || this.state === "CLOSED") return;`,
    replace:
      `if (checksum < 0 || rest.seq < 0 || this.state === "CLOSED") return;`,
    hint: "What if a bit was turned over on the way?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "does not count the FIN as a byte",
    find: "const length = data.length + Number(syn) + Number(fin);",
    replace: "const length = data.length + Number(syn);",
    hint: "How would the other side acknowledge a FIN?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "reads what comes early at once",
    find: "if (!next) break;",
    replace: `if (!next) {
        if (segment.seq !== this.#wanted && ahead(segment.seq, this.#wanted) > 0) this.received.push(...segment.data);
        break;
      }`,
    hint: "In which order does a stream have its bytes?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "throws away what comes early",
    find: "if (ahead(segment.seq, this.#wanted) >= 0) {",
    replace: "if (segment.seq === this.#wanted) {",
    hint: "How much must be sent again, if one of ten segments is lost?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "reads what comes twice twice",
    find: `if (ahead(segment.seq, this.#wanted) >= 0) {
      this.#early.set(segment.seq, segment);`,
    replace: `{
      this.#early.set(ahead(segment.seq, this.#wanted) < 0 ? this.#wanted : segment.seq, segment);`,
    hint: "What if only the acknowledgement was lost?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "waits always the same time before it sends again",
    find: "this.#timeout = Math.min(2 * this.#timeout, LONGEST_TIMEOUT);",
    replace: "",
    hint: "What do a thousand clients do to a network that is full?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "sends again at the first acknowledgement that repeats itself",
    find: "++this.#equalAcks === 3",
    replace: "++this.#equalAcks === 1",
    hint:
      "What else may make two equal acknowledgements, if packets overtake each other?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "measures round trips of what was sent twice",
    find: "if (!again) this.#measure(this.clock.now() - time);",
    replace: "this.#measure(again ? 1e4 : this.clock.now() - time);",
    hint: "Which of the two copies was acknowledged?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "is gone right after its last ACK",
    find: "this.#waiting = this.clock.after(2 * LIFETIME, end);",
    replace: "end();",
    hint: "Who answers, if the other side sends its FIN again?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "closes both directions at the other side's FIN",
    find: `if (this.state === "ESTABLISHED") this.state = "CLOSE-WAIT";`,
    replace: `if (this.state === "ESTABLISHED") this.state = "CLOSED";`,
    hint:
      "May a side still speak that has been told that the other has no more to say?",
  },
  {
    file: "tcp_endpoint.ts",
    name: "sends all at once, whatever the window",
    find: "this.#pending.length < window && ",
    replace: "",
    hint: "How much may be on the way?",
  },
  {
    file: "der.ts",
    name: "writes integers whose first bit is the sign",
    find: "if (bytes[0] >= 128) bytes.unshift(0);",
    replace: "",
    hint: "What does a reader make of 02 01 c8?",
  },
  {
    file: "der.ts",
    name: "writes a length of 128 and more in one byte",
    find: "if (length < 128) return [length];",
    replace: "if (length < 256) return [length];",
    hint: "What does the highest bit of a length say?",
  },
  {
    file: "der.ts",
    name: "leaves a set in the order in which it was given",
    find: "value(0x31, ...values.toSorted(compareBytes));",
    replace: "value(0x31, ...values);",
    hint: "How many ways are there to write a set in DER?",
  },
  {
    file: "der.ts",
    name: "writes years from 2050 on with two digits",
    find: "return date.getUTCFullYear() < 2050",
    replace: "return date.getUTCFullYear() < 2100",
    hint: "Which century does a reader take for 50?",
  },
  {
    file: "der.ts",
    name: "puts the first two numbers of an identifier into two bytes",
    find: "[40 * first + second, ...rest]",
    replace: "[first, second, ...rest]",
    hint: "What is the first byte of 1.2.840?",
  },
  {
    file: "der.ts",
    name: "writes numbers of an identifier from the lowest part on",
    find: "bytes.unshift(128 | more % 128);",
    replace: "bytes.push(128 | more % 128);",
    hint: "Which part of 840 comes first, and which byte is the last one?",
  },
  {
    file: "certificates.ts",
    name: "takes the signature as WebCrypto gives it",
    find: "return sequence(body, SIGNATURE, bits(signature));",
    replace: "return sequence(body, SIGNATURE, bits(raw));",
    hint: "How are the two numbers of ECDSA written in a certificate?",
  },
  {
    file: "certificates.ts",
    name: "leaves the names out, and puts one into the subject",
    find: `extension("2.5.29.17", false, alternatives),`,
    replace: "",
    hint: "Where do clients look for the name?",
  },
  {
    file: "certificates.ts",
    name: "gives every server the powers of an authority",
    find: `extension("2.5.29.19", true, sequence()), // no authority`,
    replace: `extension("2.5.29.19", true, sequence(boolean(true))),`,
    hint: "What could the owner of one site do with such a certificate?",
  },
  {
    file: "certificates.ts",
    name: "writes an address as a domain name",
    find: "&& !/^[\\d.]+$/.test(name)",
    replace: "",
    hint: "Which kind of name is 127.0.0.1?",
  },
  {
    file: "certificates.ts",
    name: "gives all certificates one serial number",
    find: "const serial = crypto.getRandomValues(new Uint8Array(16));",
    replace: "const serial = new Uint8Array(16);",
    hint: "What must be different in any two certificates of an authority?",
  },
  {
    file: "certificates.ts",
    name: "forgets from when the certificate holds",
    find: "issuer: name, from: start, until: end },",
    replace: "issuer: name, from, until },",
    hint: "Whose dates stand in the server's certificate?",
  },
];
