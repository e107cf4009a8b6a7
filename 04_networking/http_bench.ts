/**
 * 100 MB over loopback by Content-Length: this client and `fetch`, from the same plain
 * TCP server in a worker, so that its work is not on the thread that is measured.
 *
 * Run: `deno bench --allow-net=127.0.0.1 http_bench.ts`
 * @module
 */
import { HttpConnection, openNetwork } from "./http.ts";
import { requestFor } from "./http_message.ts";

const SIZE = 100_000_000;

/** Answers every request with the same bytes; as text, so that no file is read. */
const SERVER = `
  const piece = Uint8Array.from({ length: 1 << 18 }, (_, i) => i * 31 + (i >> 8));
  const head = "HTTP/1.1 200 OK\\r\\nContent-Length: ${SIZE}\\r\\n\\r\\n";
  const write = async (conn, bytes) => {
    for (let at = 0; at < bytes.length;) {
      at += await conn.write(bytes.subarray(at));
    }
  };
  const serve = async (conn) => {
    const request = new Uint8Array(65536);
    // A request is one small packet.
    while (await conn.read(request) !== null) {
      await write(conn, new TextEncoder().encode(head));
      for (let left = ${SIZE}; left > 0; left -= piece.length) {
        await write(conn, piece.subarray(0, left));
      }
    }
  };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  postMessage(listener.addr.port);
  for await (const conn of listener) serve(conn).catch(() => {});
`;

const type = "text/javascript";
const script = URL.createObjectURL(new Blob([SERVER], { type }));
const worker = new Worker(script, { type: "module" });
const port = await new Promise((resolve) => {
  worker.onmessage = ({ data }) => resolve(data);
});
const url = new URL(`http://127.0.0.1:${port}/`);

type Use = (piece: Uint8Array) => void;
const connection = new HttpConnection(await openNetwork(url));

/** How many bytes came; each piece is shown to `use`. */
async function take(body: ReadableStream<Uint8Array>, use?: Use) {
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    use?.(piece);
  }
  return length;
}
const ours = async (use?: Use) =>
  await take((await connection.request(requestFor(url))).body, use);
const theirs = async (use?: Use) => await take((await fetch(url)).body!, use);

/** FNV-1a of all bytes, and how many they are. */
async function checksum(way: (use: Use) => Promise<number>): Promise<string> {
  let hash = 0x811c9dc5;
  const length = await way((piece) => {
    for (const byte of piece) hash = Math.imul(hash ^ byte, 0x01000193);
  });
  return `${length} ${hash >>> 0}`;
}

const [a, b] = [await checksum(ours), await checksum(theirs)];
if (a !== b || !a.startsWith(`${SIZE} `)) {
  throw new Error(`They read ${a} and ${b}: nothing to time`);
}

// In turn, because a machine slows down and speeds up; the medians are compared.
const times: [number[], number[]] = [[], []];
for (let round = 0; round < 11; round++) {
  for (const [i, way] of [ours, theirs].entries()) {
    const start = performance.now();
    await way();
    times[i].push(performance.now() - start);
  }
}
const [our, their] = times.map((ms) => ms.sort((a, b) => a - b)[5]);
console.log(
  `medians of 11: ours ${our.toFixed(0)} ms, fetch ${their.toFixed(0)} ms;`,
  `throughput ${(their / our).toFixed(2)} of fetch's`,
);

const group = "100 MB over loopback";
Deno.bench({
  name: "fetch",
  group,
  baseline: true,
  fn: async () => void await theirs(),
});
Deno.bench({ name: "ours", group, fn: async () => void await ours() });
addEventListener("unload", () => worker.terminate());
