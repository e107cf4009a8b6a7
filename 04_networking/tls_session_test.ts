import { assertEquals, assertRejects } from "@std/assert";
import { type ByteStream, memoryPair } from "./http2_stream.ts";
import { nextSecret, trafficKeys } from "./tls_keys.ts";
import { keyUpdate, type Message, MessageReader } from "./tls_messages.ts";
import { Records, TlsError } from "./tls_record.ts";
import { Session } from "./tls_session.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** A side that gets these records and then the end, and what it has sent. */
function sessionOf(...records: readonly string[]) {
  const sent: string[] = [];
  const stream: ByteStream = {
    readable: ReadableStream.from(records.map(bytes)),
    writable: new WritableStream({
      write: (part) => void sent.push(part.toHex()),
    }),
  };
  return { session: new Session(stream), sent };
}

/** RFC 8448 section 3: what goes over the network, and the secrets. */
const TRACE = {
  clientHello:
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dec" +
    "e7000006130113031302010000910000000b0009000006736572766572ff01000100000a00" +
    "140012001d0017001800190100010101020103010400230000003300260024001d00209938" +
    "1de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304" +
    "000d0020001e04030503060302030804080508060401050106010201040205020602020200" +
    "2d00020101001c00024001",
  serverHello:
    "160303005a020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155" +
    "772ed3e2692800130100002e00330024001d0020c9828876112095fe66762bdbf7c672e156" +
    "d6cc253b833df1dd69b1b04e751f0f002b00020304",
  flight:
    "17030302a2d1ff334a56f5bff6594a07cc87b580233f500f45e489e7f33af35edf7869fcf4" +
    "0aa40aa2b8ea73f848a7ca07612ef9f945cb960b4068905123ea78b111b429ba9191cd05d2" +
    "a389280f526134aadc7fc78c4b729df828b5ecf7b13bd9aefb0e57f271585b8ea9bb355c7c" +
    "79020716cfb9b1183ef3ab20e37d57a6b9d7477609aee6e122a4cf51427325250c7d0e5092" +
    "89444c9b3a648f1d71035d2ed65b0e3cdd0cbae8bf2d0b227812cbb360987255cc744110c4" +
    "53baa4fcd610928d809810e4b7ed1a8fd991f06aa6248204797e36a6a73b70a2559c09ead6" +
    "86945ba246ab66e5edd8044b4c6de3fcf2a89441ac66272fd8fb330ef8190579b3684596c9" +
    "60bd596eea520a56a8d650f563aad27409960dca63d3e688611ea5e22f4415cf9538d51a20" +
    "0c27034272968a264ed6540c84838d89f72c24461aad6d26f59ecaba9acbbb317b66d902f4" +
    "f292a36ac1b639c637ce343117b659622245317b49eeda0c6258f100d7d961ffb138647e92" +
    "ea330faeea6dfa31c7a84dc3bd7e1b7a6c7178af36879018e3f252107f243d243dc7339d56" +
    "84c8b0378bf30244da8c87c843f5e56eb4c5e8280a2b48052cf93b16499a66db7cca71e459" +
    "9426f7d461e66f99882bd89fc50800becca62d6c74116dbd2972fda1fa80f85df881edbe5a" +
    "37668936b335583b599186dc5c6918a396fa48a181d6b6fa4f9d62d513afbb992f2b992f67" +
    "f8afe67f76913fa388cb5630c8ca01e0c65d11c66a1e2ac4c85977b7c7a6999bbf10dc35ae" +
    "69f5515614636c0b9b68c19ed2e31c0b3b66763038ebba42f3b38edc0399f3a9f23faa6397" +
    "8c317fc9fa66a73f60f0504de93b5b845e275592c12335ee340bbc4fddd502784016e4b3be" +
    "7ef04dda49f4b440a30cb5d2af939828fd4ae3794e44f94df5a631ede42c1719bfdabf0253" +
    "fe5175be898e750edc53370d2b",
  clientFinished:
    "170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f8" +
    "0338ac98fc46deb384bd1caeacab6867d726c40546",
  ticket:
    "17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b5" +
    "80dcf3d11d63c758db289a015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad" +
    "3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972ac46f75f7b981be63" +
    "439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab0" +
    "5b94c01346755f69232c86519d86cbeeac87aac347d143f9605d64f650db4d023e70e952ca" +
    "49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37b" +
    "f15985684f",
  clientData:
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5" +
    "b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4",
  serverData:
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d" +
    "90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d",
  clientEnd: "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3",
  serverEnd: "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9",
};
const SECRETS = {
  client: bytes(
    "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
  ),
  server: bytes(
    "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
  ),
  clientData: bytes(
    "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
  ),
  serverData: bytes(
    "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
  ),
};
const [HELLO] = new MessageReader().push(bytes(TRACE.clientHello));

const STEPS = ["EncryptedExtensions", "Certificate", "CertificateVerify"];

/** The client of the RFC, up to where it has read the server's Finished. */
async function goTo(last: string, ...records: readonly string[]) {
  const { session, sent } = sessionOf(...records);
  await session.send(HELLO);
  for (const name of ["ServerHello", ...STEPS]) {
    await session.receive(name);
    if (name === "ServerHello") await session.readWith(SECRETS.server);
    if (name === last) return { session, sent };
  }
  await session.receiveFinished(SECRETS.server);
  return { session, sent };
}

Deno.test("the RFC's conversation, bit by bit, from the hello to the end", async () => {
  const { serverHello, flight, ticket, serverData, serverEnd } = TRACE;
  const { session, sent } = await goTo(
    "Finished",
    ...[serverHello, flight, ticket, serverData, serverEnd],
  );
  assertEquals(
    (await session.hash()).toHex(),
    "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13",
  );
  await session.writeWith(SECRETS.client);
  await session.sendFinished(SECRETS.client);
  const { readable, writable, protocol } = await session.open(
    SECRETS.serverData,
    SECRETS.clientData,
  );
  assertEquals(protocol, undefined);
  const fifty = Uint8Array.from({ length: 50 }, (_, i) => i);
  const writer = writable.getWriter();
  await writer.write(fifty);
  await writer.close();
  assertEquals(await new Response(readable).bytes(), fifty);
  const { clientFinished, clientData, clientEnd } = TRACE;
  assertEquals(sent.slice(1), [clientFinished, clientData, clientEnd]);
});

/** A record in the clear. */
const clear = (type: number, content: string) =>
  `${type.toString(16)}0303${
    (content.length / 2).toString(16).padStart(4, "0")
  }${content}`;

Deno.test("what must not come in the handshake ends it, and the other side is told", async () => {
  for (
    const [record, code, line] of [
      [clear(23, "00"), "unexpected_message", "data: ServerHello must be next"],
      [
        clear(22, "0b000000"),
        "unexpected_message",
        "Cannot go on with Certificate",
      ],
      [clear(22, ""), "unexpected_message", "without bytes"],
      [clear(20, "02"), "unexpected_message", "with change_cipher_spec"],
      // Before the first message of all even the right one.
      [clear(20, "01"), "unexpected_message", "with change_cipher_spec"],
      [clear(21, "0228"), "closed", "ended the connection: handshake_failure"],
      [clear(21, "02fe"), "closed", "ended the connection: alert 254"],
      [clear(21, "0228ff"), "decode_error", "Cannot read an alert of 3 bytes"],
      ["", "closed", "The connection ended before ServerHello"],
      ["1603", "closed", "in the middle of a record"],
    ] as const
  ) {
    const { session, sent } = sessionOf(...(record === "" ? [] : [record]));
    const error = await assertRejects(
      () => session.guard(() => session.receive("ServerHello")),
      TlsError,
      line,
    );
    assertEquals(error.code, code, record);
    await new Promise((done) => setTimeout(done));
    const alert = code === "decode_error" ? "0232" : "020a";
    const told = code === "closed" ? [] : [clear(21, alert)];
    assertEquals(sent, told, record);
  }
});

Deno.test("the old sign for new keys is passed over in the handshake", async () => {
  const { serverHello, flight } = TRACE;
  const sign = clear(20, "01");
  const { session } = await goTo("Finished", serverHello, sign, flight);
  assertEquals((await session.hash()).length, 32);
});

Deno.test("keys do not change while a message waits", async () => {
  // A second message right behind the Hello would be of the time without keys.
  const joined = clear(22, `${TRACE.serverHello.slice(10)}08000002`);
  await assertRejects(
    () => goTo("ServerHello", joined),
    TlsError,
    "Cannot change the keys in the middle of a message",
  );
  const whole = clear(22, `${TRACE.serverHello.slice(10)}080000020000`);
  await assertRejects(
    () => goTo("ServerHello", whole),
    TlsError,
    "Cannot change the keys in the middle of a message",
  );
});

Deno.test("a changed message shows in Finished", async () => {
  const changed: Message = { ...HELLO, whole: new Uint8Array(HELLO.whole) };
  changed.whole[20] ^= 1;
  const { session } = sessionOf(TRACE.serverHello, TRACE.flight);
  await session.send(changed);
  await session.receive("ServerHello");
  await session.readWith(SECRETS.server);
  for (const name of STEPS) await session.receive(name);
  await assertRejects(
    () => session.receiveFinished(SECRETS.server),
    TlsError,
    "Finished is wrong: somebody has changed a message",
  );
});

/** A session with data, and the records of the other side. */
async function open(signal?: AbortSignal) {
  const [near, far] = memoryPair();
  const session = new Session(near, { signal });
  const stream = await session.guard(() =>
    session.open(SECRETS.serverData, SECRETS.clientData)
  );
  const records = new Records(far);
  records.readWith(await trafficKeys(SECRETS.clientData));
  records.writeWith(await trafficKeys(SECRETS.serverData));
  return { stream, records };
}

Deno.test("fresh keys are taken, and sent if they are asked for", async () => {
  const { stream, records } = await open();
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  for (const asks of [false, true]) {
    const sent = records.write("handshake", keyUpdate(asks).whole);
    const secret = await nextSecret(SECRETS.serverData);
    const next = asks ? await nextSecret(secret) : secret;
    records.writeWith(await trafficKeys(next));
    const data = records.write("data", Uint8Array.of(7));
    const read = reader.read();
    if (asks) {
      const answer = await records.read();
      assertEquals(answer, { type: "handshake", content: bytes("1800000100") });
      const fresh = await nextSecret(SECRETS.clientData);
      records.readWith(await trafficKeys(fresh));
    }
    assertEquals((await read).value, Uint8Array.of(7));
    await Promise.all([sent, data]);
  }
  const written = writer.write(Uint8Array.of(8));
  assertEquals((await records.read())?.content, Uint8Array.of(8));
  await written;
});

Deno.test("after the handshake only data, tickets and updates may come", async () => {
  for (
    const [type, content, line] of [
      ["handshake", "010000020000", "Cannot go on with ClientHello"],
      ["handshake", "1800000102", "Cannot read KeyUpdate"],
      ["handshake", "18000002", ["handshake", "0000", "Cannot read KeyUpdate"]],
      ["handshake", "18000002", ["data", "00", "a record of type data here"]],
      ["handshake", "18000001001800000100", "in the middle of a message"],
      ["handshake", "", "without bytes"],
      ["alert", "022f", "ended the connection: illegal_parameter"],
      ["alert", "010000", "Cannot read an alert of 3 bytes"],
      ["alert", "", "Cannot read an alert of 0 bytes"],
      // This is no end yet.
      ["alert", "015a", ["alert", "022f", "connection: illegal_parameter"]],
      ["change_cipher_spec", "01", "change_cipher_spec encrypted"],
    ] as const
  ) {
    const { stream, records } = await open();
    const reader = stream.readable.getReader();
    const sent = records.write(type, bytes(content));
    const read = reader.read();
    if (typeof line !== "string") {
      await sent;
      // All is well until the next record comes.
      const [type, content, why] = line;
      const rest = records.write(type, bytes(content));
      await assertRejects(() => read, TlsError, why);
      await rest;
      continue;
    }
    await assertRejects(() => read, TlsError, line);
    await sent;
  }
});

Deno.test("without close_notify the text may be cut, and that is an error", async () => {
  const { serverData } = TRACE;
  for (const records of [[], [serverData], [serverData, "1703"]]) {
    const { session } = sessionOf(TRACE.ticket, ...records);
    const { readable } = await session.open(
      SECRETS.serverData,
      SECRETS.clientData,
    );
    const error = await assertRejects(
      () => new Response(readable).text(),
      TlsError,
    );
    assertEquals(error.code, "closed");
  }
});

Deno.test("a signal ends what waits, and the stream", async () => {
  const late = new Error("late");
  const [near] = memoryPair();
  const control = new AbortController();
  const session = new Session(near, { signal: control.signal });
  const waiting = session.guard(() => session.receive("ServerHello"));
  control.abort(late);
  await assertRejects(() => waiting, Error, "late");
  const { signal } = control;
  const none = new Session(memoryPair()[0], { signal });
  await assertRejects(() => none.guard(() => none.receive("X")), Error, "late");
  const other = new AbortController();
  const { stream, records } = await open(other.signal);
  const reading = stream.readable.getReader().read();
  other.abort(late);
  await assertRejects(() => reading, Error, "late");
  await assertRejects(() => records.read(), Error, "late");
  // It has ended, also if nobody reads or writes.
  const last = new AbortController();
  const { stream: unread } = await open(last.signal);
  last.abort(late);
  await unread.ended;
});

Deno.test("a connection that fails under a write has ended", async () => {
  const { stream, records } = await open();
  records.abort(new Error("reset"));
  const writer = stream.writable.getWriter();
  await assertRejects(() => writer.write(Uint8Array.of(7)), Error, "reset");
  await stream.ended;
});

Deno.test("whoever does not read any more holds nobody up", async () => {
  // The other side reads nothing, so that the alert never goes out.
  const [near, far] = memoryPair();
  const session = new Session(near);
  const writer = far.writable.getWriter();
  const sent = writer.write(bytes(clear(22, "0b000000")));
  await assertRejects(
    () => session.guard(() => session.receive("ServerHello")),
    TlsError,
    "Cannot go on with Certificate",
  );
  await sent;
});

Deno.test("a stream that is not read any more does not hold the other side up", async () => {
  const { stream, records } = await open();
  await stream.readable.cancel();
  for (let n = 0; n < 5; n++) await records.write("data", new Uint8Array(9000));
  const writer = stream.writable.getWriter();
  const written = writer.write(Uint8Array.of(7)).then(() => writer.close());
  assertEquals((await records.read())?.content, Uint8Array.of(7));
  assertEquals(await records.read(), { type: "alert", content: bytes("0100") });
  await Promise.all([written, stream.ended]);
  assertEquals(await records.read(), undefined);
});

Deno.test("whoever stops reading while it waits can go on writing", async () => {
  const { stream, records } = await open();
  const reader = stream.readable.getReader();
  const waiting = reader.read();
  await new Promise((done) => setTimeout(done));
  await reader.cancel();
  assertEquals((await waiting).done, true);
  for (let n = 0; n < 3; n++) await records.write("data", Uint8Array.of(1));
  const written = stream.writable.getWriter().write(Uint8Array.of(7));
  assertEquals((await records.read())?.content, Uint8Array.of(7));
  await written;
});

Deno.test("who asks for fresh keys is answered once, and may read late", async () => {
  const { stream, records } = await open();
  const reader = stream.readable.getReader();
  let secret: Uint8Array = SECRETS.serverData;
  const sent: Promise<void>[] = [];
  for (let n = 0; n < 3; n++) {
    sent.push(records.write("handshake", keyUpdate(true).whole));
    secret = await nextSecret(secret);
    records.writeWith(await trafficKeys(secret));
  }
  sent.push(records.write("data", Uint8Array.of(7)));
  assertEquals((await reader.read()).value, Uint8Array.of(7));
  await Promise.all(sent);
  const answer = await records.read();
  assertEquals(answer?.content, keyUpdate(false).whole);
  const fresh = await nextSecret(SECRETS.clientData);
  records.readWith(await trafficKeys(fresh));
  const written = stream.writable.getWriter().write(Uint8Array.of(8));
  assertEquals((await records.read())?.content, Uint8Array.of(8));
  await written;
});

Deno.test("after an error nothing more is sent", async () => {
  const { stream, records } = await open();
  const read = stream.readable.getReader().read();
  const sent = records.write("alert", bytes("0228"));
  await assertRejects(() => read, TlsError, "handshake_failure");
  await Promise.all([sent, stream.ended]);
  const writer = stream.writable.getWriter();
  await assertRejects(() => writer.write(Uint8Array.of(7)), TlsError);
});
