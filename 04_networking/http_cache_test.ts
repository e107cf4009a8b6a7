import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type CacheRequest, HttpCache, whyNotStored } from "./http_cache.ts";
import type { CacheResponse } from "./http_freshness.ts";
import { type Field, latin1 } from "./http_message.ts";

const START = Date.UTC(2026, 0, 1, 12);
const date = (seconds: number) =>
  new Date(START + 1000 * seconds).toUTCString();
const CC = "Cache-Control";
const ETAG: Field = ["ETag", '"v1"'];

function ask(path = "/", ...fields: Field[]): CacheRequest {
  return { url: new URL(path, "https://a.example"), fields };
}
function page(body: string, ...fields: Field[]): CacheResponse {
  return { status: 200, fields, body: latin1(body) };
}
/** A cache that holds this, in answer to GET / at START. */
function holding(...fields: Field[]): HttpCache {
  const cache = new HttpCache();
  cache.store(ask(), page("old", ...fields), START, START);
  return cache;
}
/** What it says of GET / after so many seconds. */
const use = (cache: HttpCache, seconds: number, ...fields: Field[]) => {
  const now = START + 1000 * seconds;
  const { use, why } = cache.lookUp(ask("/", ...fields), now);
  return `${use}: ${why}`;
};
const bodyOf = (response?: CacheResponse) =>
  response && new TextDecoder().decode(response.body);

Deno.test("what may be kept is what http-cache-semantics keeps, or the line says why not", () => {
  // npm install http-cache-semantics@4.3.0; new CachePolicy({ url: "/", method, headers },
  // { status, headers }, { shared: false }).storable()
  for (
    const [status, fields, right] of [
      [200, [], true],
      [200, [[CC, "max-age=60"]], true],
      [200, [[CC, "private"]], true],
      [200, [[CC, "no-cache, max-age=60"]], true],
      [200, [[CC, "no-store, max-age=60"]], false],
      [200, [[CC, 'a="x, no-store", max-age=60']], true],
      [200, [["Expires", "0"]], true],
      [404, [], true],
      [301, [], true],
      [302, [], false],
      [302, [["Expires", date(60)]], true],
      [302, [[CC, "max-age=60"]], true],
      [302, [[CC, "public"]], true],
      [500, [], false],
      [206, [[CC, "max-age=60"]], false],
      // It keeps this, but never finds it: no request matches (RFC 9111, 4.1).
      [200, [[CC, "max-age=60"], ["Vary", "*"]], false],
      [200, [["Vary", "Accept, *"]], false],
      // It keeps no 500; RFC 9111, 3 allows any final status that says so.
      [500, [[CC, "max-age=60"]], true],
      // It reads names of directives with their case (5.2: without).
      [200, [[CC, "NO-STORE"]], false],
      // It wants public or max-age; 3 names private, too, for a cache like this.
      [302, [[CC, "private"]], true],
    ] as [number, Field[], boolean][]
  ) {
    const answer = { status, fields, body: latin1("") };
    const what = `${status} ${fields.join("; ")}`;
    assertEquals(whyNotStored(ask(), answer) === undefined, right, what);
  }
  const ok = page("", [CC, "max-age=60"]);
  assertEquals(whyNotStored(ask("/", ["Authorization", "x"]), ok), undefined);
  assertEquals(
    whyNotStored(ask("/", [CC, "no-store"]), ok),
    "the request says no-store",
  );
  assertEquals(
    whyNotStored({ ...ask(), method: "HEAD" }, ok),
    "only GET is kept, not HEAD",
  );
});

Deno.test("a page is shown without asking until its lifetime is over, and not a second longer", () => {
  const cache = holding([CC, "max-age=300"], ETAG);
  assertEquals(use(cache, 60), "fresh: fresh for another 240 s");
  assertEquals(use(cache, 299.5), "fresh: fresh for another 1 s");
  const stale = "revalidate: stale since 0 s: ask with If-None-Match";
  assertEquals(use(cache, 300), stale);
  assertEquals(use(cache, 312), stale.replace("0 s", "12 s"));
  const { response, conditional } = cache.lookUp(ask(), START + 312_000);
  assertEquals(conditional, [["If-None-Match", '"v1"']]);
  assertEquals(bodyOf(response), "old");
});

Deno.test("what comes out says how old it is, and keeps no field of the connection", () => {
  const cache = holding(
    [CC, "max-age=300"],
    ["Age", "100"],
    ["Connection", "close, X-Hop"],
    ["X-Hop", "1"],
    ["Keep-Alive", "1"],
    ["Transfer-Encoding", "chunked"],
    ["Content-Type", "text/css"],
  );
  const { response } = cache.lookUp(ask(), START + 7900);
  assertEquals(Object.fromEntries(response!.fields), {
    ...{ "cache-control": "max-age=300", "content-type": "text/css" },
    ...{ date: date(0), age: "107" },
  });
});

Deno.test("asking goes with all validators, and without any it is a miss", () => {
  const modified: Field = ["Last-Modified", date(-1000)];
  assertEquals(
    use(holding([CC, "no-cache"], ETAG, modified), 1),
    "revalidate: the response says no-cache: ask with If-None-Match and If-Modified-Since",
  );
  const cache = holding([CC, "max-age=9"], modified);
  assertEquals(cache.lookUp(ask(), START + 9000).conditional, [
    ["If-Modified-Since", date(-1000)],
  ]);
  assertEquals(
    use(holding([CC, "max-age=9"]), 10),
    "miss: stale since 1 s, and there is nothing to compare by",
  );
});

Deno.test("no-cache asks even while fresh, immutable does not ask on reload", () => {
  const reload: Field = [CC, "max-age=0"];
  const both = holding([CC, "max-age=300, no-cache"], ETAG);
  assert(use(both, 1).startsWith("revalidate: the response says no-cache"));
  const plain = holding([CC, "max-age=300"], ETAG);
  assert(use(plain, 1, reload).startsWith("revalidate: the request wants it"));
  const forever = holding([CC, "max-age=300, immutable"], ETAG);
  assertEquals(use(forever, 1, reload), "fresh: fresh for another 299 s");
  assert(use(forever, 301, reload).startsWith("revalidate"));
  // The user who reloads with Shift is asking.
  assert(use(forever, 1, [CC, "no-cache"]).startsWith("revalidate"));
  assertEquals(
    use(plain, 250, [CC, "min-fresh=60"]),
    "revalidate: fresh for only 50 s: ask with If-None-Match",
  );
  assert(use(plain, 240, [CC, "min-fresh=60"]).startsWith("fresh"));
  assert(use(plain, 240, [CC, "max-age=240"]).startsWith("fresh"));
});

Deno.test("stale-while-revalidate shows the old page for that long, unless it must be asked for", () => {
  const swr = "max-age=300, stale-while-revalidate=60";
  const cache = holding([CC, swr], ETAG);
  const { use: how, why, conditional } = cache.lookUp(ask(), START + 359_900);
  assertEquals(how, "stale");
  assertEquals(why, "stale since 59 s: shown, while it is asked for");
  assertEquals(conditional, [["If-None-Match", '"v1"']]);
  assert(use(cache, 360).startsWith("revalidate"));
  assert(use(cache, 301, [CC, "max-age=0"]).startsWith("revalidate"));
  for (const strict of ["must-revalidate", "no-cache"]) {
    const other = holding([CC, `${swr}, ${strict}`], ETAG);
    assert(use(other, 301).startsWith("revalidate"), strict);
  }
});

Deno.test("Vary keeps a page for each value of the fields, and tells none from empty", () => {
  const cache = new HttpCache();
  const store = (body: string, ...fields: Field[]) =>
    cache.store(
      ask("/", ...fields),
      page(body, [CC, "max-age=9"], ["Vary", "Accept-Language, X"]),
      START,
      START,
    );
  const look = (...fields: Field[]) => {
    const { why, response } = cache.lookUp(ask("/", ...fields), START);
    return bodyOf(response) ?? why;
  };
  store("none");
  store("empty", ["X", ""]);
  store("de", ["Accept-Language", "de"]);
  store("de, x", ["X", "1"], ["accept-language", " de "], ["X", "2"]);
  assertEquals(look(), "none");
  assertEquals(look(["x", ""]), "empty");
  assertEquals(look(["ACCEPT-LANGUAGE", "de"], ["Y", "1"]), "de");
  assertEquals(look(["Accept-Language", "de"], ["X", "1, 2"]), "de, x");
  assertEquals(
    look(["Accept-Language", "en"]),
    "kept for another accept-language, x",
  );
  store("de again", ["Accept-Language", "de"]);
  assertEquals(look(["Accept-Language", "de"]), "de again");
  assertEquals(look(), "none");
});

Deno.test("of pages that fit, the one that the origin made last is shown", () => {
  const cache = new HttpCache();
  const store = (age: number, vary: string, ...fields: Field[]) => {
    const from: Field = ["Date", date(-age)];
    const answer = page(vary, [CC, "max-age=900"], from, ["Vary", vary]);
    cache.store(ask("/", ...fields), answer, START, START);
  };
  // Each fits requests that the other does not fit, so none replaces the other.
  store(9, "B", ["A", "2"], ["B", "1"]);
  store(20, "A", ["A", "1"]);
  const { response } = cache.lookUp(ask("/", ["A", "1"], ["B", "1"]), START);
  assertEquals(bodyOf(response), "B");
});

Deno.test("a 304 brings new fields, leaves the body, and starts the age anew", () => {
  const cache = holding(
    ...[[CC, "max-age=300"], ETAG, ["Age", "290"], ["X", "1"]] as Field[],
    ...[["Content-Length", "3"], ["Content-Encoding", "gzip"]] as Field[],
  );
  assert(use(cache, 10).startsWith("revalidate"));
  const later = START + 400_000;
  const fields: Field[] = [ETAG, [CC, "max-age=60"], ["Set-X", "2"]];
  const notModified = {
    status: 304,
    fields: [...fields, ["Content-Length", "0"], ["Content-Encoding", "br"]],
  } as { status: number; fields: Field[] };
  const shown = cache.update(ask(), notModified, later - 1000, later);
  const right = {
    ...{ "x": "1", "content-length": "3", "content-encoding": "gzip" },
    ...{ "etag": '"v1"', "cache-control": "max-age=60", "set-x": "2" },
    "date": date(400),
  };
  assertEquals([bodyOf(shown), shown?.status], ["old", 200]);
  assertEquals(Object.fromEntries(shown!.fields), right);
  assertEquals(shown?.fields.length, 7);
  assertEquals(use(cache, 402), "fresh: fresh for another 57 s");
});

Deno.test("a 304 about another version updates nothing", () => {
  for (
    const [old, news, same] of [
      [[ETAG], [ETAG], true],
      [[ETAG], [["etag", '"v2"']], false],
      [[ETAG], [["etag", 'W/"v1"']], true],
      [[["ETag", 'W/"v1"']], [["etag", 'W/"v1"']], true],
      [[["ETag", 'W/"v1"']], [["etag", '"v1"']], false],
      [[], [ETAG], false],
      [[ETAG], [], true],
      [[["Last-Modified", date(-9)]], [["last-modified", date(-9)]], true],
      [[["Last-Modified", date(-9)]], [["last-modified", date(-8)]], false],
    ] as [Field[], Field[], boolean][]
  ) {
    const cache = holding([CC, "max-age=10"], ...old);
    const later = START + 60_000;
    const answer = { status: 304, fields: news };
    const shown = cache.update(ask(), answer, later, later);
    assertEquals(bodyOf(shown), same ? "old" : undefined, `${old} ${news}`);
    assertEquals(use(cache, 61).startsWith("fresh"), same);
  }
  assertEquals(
    new HttpCache().update(ask(), { status: 304, fields: [] }, START, START),
    undefined,
  );
  // The last word may be that it must not be kept.
  const cache = holding([CC, "max-age=10"], ETAG);
  const fields: Field[] = [[CC, "no-store"]];
  const shown = cache.update(ask(), { status: 304, fields }, START, START);
  assertEquals([bodyOf(shown), use(cache, 1)], ["old", "miss: not kept"]);
  assertEquals(cache.bytes, 0);
});

Deno.test("a POST that works throws its URL away, and what it names on the same origin", () => {
  const paths = ["/", "/list", "/new", "/other"];
  for (
    const [method, status, gone] of [
      ["POST", 201, ["/list", "/new", "/"]],
      ["DELETE", 303, ["/list", "/new", "/"]],
      ["PURGE", 200, ["/list", "/new", "/"]],
      ["POST", 404, []],
      ["POST", 500, []],
      ["HEAD", 200, []],
      ["OPTIONS", 200, []],
    ] as [string, number, string[]][]
  ) {
    const cache = new HttpCache();
    const fields: Field[] = [[CC, "max-age=60"]];
    for (const path of paths) {
      cache.store(ask(path), page(path, ...fields), START, START);
    }
    const far = { url: new URL("https://b.example/new") };
    cache.store(far, page("b", ...fields), START, START);
    const named: Field[] = [["Location", "new"]];
    named.push(["Content-Location", "https://a.example/#top"]);
    const answer = { status, fields: named, body: latin1("") };
    cache.store({ ...ask("/list"), method }, answer, START, START);
    for (const path of paths) {
      const { use } = cache.lookUp(ask(path), START);
      assertEquals(use === "miss", gone.includes(path), `${method} ${path}`);
    }
    const elsewhere = [["Location", "https://b.example/new"]] as Field[];
    const post = { ...ask("/list"), method: "POST" };
    const made = { status: 201, fields: elsewhere, body: latin1("") };
    cache.store(post, made, START, START);
    assertEquals(cache.lookUp(far, START).use, "fresh");
  }
});

Deno.test("what the origin says now replaces what is kept, even where it may not be kept", () => {
  const cache = holding([CC, "max-age=60"]);
  const now = (answer: CacheResponse) =>
    cache.store(ask(), answer, START, START);
  now({ ...page(""), status: 503 });
  now({ ...page(""), status: 206 });
  assertEquals(bodyOf(cache.lookUp(ask(), START).response), "old");
  now(page("new", [CC, "max-age=60"]));
  assertEquals(bodyOf(cache.lookUp(ask(), START).response), "new");
  assertEquals(now(page("", [CC, "no-store"])), "the response says no-store");
  assertEquals([use(cache, 0), cache.bytes], ["miss: not kept", 0]);
});

Deno.test("parts, conditions, other methods and other URLs are misses; a fragment is no other URL", () => {
  const cache = holding([CC, "max-age=60"]);
  const how = (request: CacheRequest) => cache.lookUp(request, START).use;
  assertEquals(how(ask("/#part")), "fresh");
  for (const path of ["/?", "/?a", "/a", "//a.example/", "http://a.example"]) {
    const same = path === "//a.example/";
    assertEquals(how(ask(path)), same ? "fresh" : "miss", path);
  }
  assertEquals(how({ ...ask(), method: "POST" }), "miss");
  assertEquals(how(ask("/", ["Range", "bytes=0-1"])), "miss");
  assertEquals(how(ask("/", ["If-None-Match", "x"])), "miss");
});

Deno.test("it holds no more bytes than it may: what was used longest ago goes", () => {
  const cache = new HttpCache(1000);
  const body = "x".repeat(200);
  const add = (path: string) =>
    cache.store(ask(path), page(body, [CC, "max-age=60"]), START, START);
  for (const path of ["/1", "/2", "/3"]) add(path);
  assertEquals(cache.lookUp(ask("/1"), START).use, "fresh");
  assertEquals(add("/4"), undefined);
  const kept = ["/1", "/2", "/3", "/4"]
    .filter((path) => cache.lookUp(ask(path), START).use === "fresh");
  assertEquals(kept, ["/1", "/3", "/4"]);
  const huge = page("x".repeat(1000), [CC, "max-age=60"]);
  const why = cache.store(ask("/5"), huge, START, START);
  assert(why?.endsWith("bytes are more than all room"), why);
  for (let i = 0; i < 50; i++) {
    const fields: Field[] = [["A", `${i}`]];
    const answer = page("", [CC, "max-age=60"], ["Vary", "A"]);
    cache.store(ask("/6", ...fields), answer, START, START);
    assert(cache.bytes <= 1000);
  }
  const wide = new HttpCache();
  for (let i = 0; i < 50; i++) {
    const answer = page("", [CC, "max-age=60"], ["Vary", "A"]);
    wide.store(ask("/", ["A", `${i}`]), answer, START, START);
  }
  let found = 0;
  for (let i = 0; i < 50; i++) {
    const { use } = wide.lookUp(ask("/", ["A", `${i}`]), START);
    if (use === "fresh") found++;
  }
  assertEquals(found, 20);
});

Deno.test("whatever is stored and asked, it throws nothing and counts its bytes right", () => {
  const names = [CC, "Vary", "ETag", "Location", "A", "Connection"];
  const values = ["", "*", "a", "A, b", "max-age=9", "//", ":", "é"];
  const name = fc.constantFrom(...names);
  const value = fc.constantFrom(...values);
  const fields = fc.array(fc.tuple(name, value), { maxLength: 4 });
  const step = fc.record({
    fields,
    answer: fields,
    status: fc.constantFrom(200, 204, 304, 404, 500),
    method: fc.constantFrom("GET", "GET", "POST"),
    path: fc.constantFrom("/", "/a"),
    seconds: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const cache = new HttpCache(300);
      for (const { fields, answer, status, method, path, seconds } of steps) {
        const now = START + 1000 * seconds;
        const request = { ...ask(path, ...fields as Field[]), method };
        cache.lookUp(request, now);
        const response = { ...page("body", ...answer as Field[]), status };
        if (status === 304) cache.update(request, response, now, now);
        else cache.store(request, response, now, now);
        assert(cache.bytes >= 0 && cache.bytes <= 300);
      }
      for (const path of ["/", "/a"]) {
        const post = { ...ask(path), method: "POST" };
        cache.store(post, page(""), START, START);
      }
      assertEquals(cache.bytes, 0);
    }),
    { numRuns: 500, seed: 9111 },
  );
});
