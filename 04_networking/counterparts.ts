#!/usr/bin/env -S deno run
/**
 * Q. Your client understands your server. How do you know that both speak the protocol?
 *
 * A. Ask programs that others wrote. A mistake that is made on both sides is made twice and
 * seen by nobody; knotd, dig, nginx, curl and openssl see it at once. A test starts them on
 * a port of loopback that is free, with files of its own, and ends them. Where one is not
 * installed, the test is ignored by a name that says so; where all must be there, as in
 * CI, REQUIRE_COUNTERPARTS=1 makes it fail.
 *
 * Trap: two halves by one hand, which agree on the same mistake.
 * Left out: versions; each test names the one that it was written with.
 * Source: https://www.knot-dns.cz, https://bind9.readthedocs.io (dig), https://nginx.org,
 * https://curl.se, https://www.openssl.org.
 * Run: `deno run counterparts.ts`, with --allow-read to see what is here
 * @module
 */

/** Where Debian puts them. */
export const PATHS = {
  knotd: "/usr/sbin/knotd",
  dig: "/usr/bin/dig",
  nginx: "/usr/sbin/nginx",
  curl: "/usr/bin/curl",
  openssl: "/usr/bin/openssl",
} as const;
export type Program = keyof typeof PATHS;

const PERMISSIONS = ["net", "run", "read", "write", "env"] as const;
const granted = (name: typeof PERMISSIONS[number]) =>
  Deno.permissions.querySync({ name }).state === "granted";

/** Whether a program is there, as far as that may be looked at; never asks. */
export function isInstalled(program: Program): boolean {
  try {
    return granted("read") && Deno.statSync(PATHS[program]).isFile;
  } catch {
    return false;
  }
}

/** Registers a test that needs a program, and every permission. */
export function testWith(
  program: Program,
  name: string,
  fn: () => Promise<void>,
): void {
  const all = PERMISSIONS.every(granted);
  const needed = all && Deno.env.get("REQUIRE_COUNTERPARTS") === "1";
  const ready = needed || all && isInstalled(program);
  const why = `needs ${program} and all permissions, so not tested here`;
  Deno.test({ name: ready ? name : `${why}: ${name}`, ignore: !ready, fn });
}

/** Runs a program to its end, in a folder. @returns all that it printed */
export async function run(program: Program, args: string[], cwd?: string) {
  const command = new Deno.Command(PATHS[program], {
    args,
    cwd,
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out, text: out + err };
}

/** Whether something takes connections at a port of this machine. */
export const listens = (port: number): Promise<boolean> =>
  Deno.connect({ hostname: "127.0.0.1", port })
    .then((connection) => (connection.close(), true), () => false);

/**
 * Lets a program run in a new folder while `work` runs.
 * @param files what the folder has; each gets the folder and the port
 * @param ready whether it answers by now; asked until it does
 */
export async function withProgram(
  program: Program,
  files: (folder: string, port: number) => Record<string, string>,
  args: (folder: string, port: number) => string[],
  ready: (port: number) => Promise<boolean>,
  work: (port: number, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  // It may read files as another user, if it was started as root.
  await Deno.chmod(folder, 0o755);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  for (const [name, text] of Object.entries(files(folder, port))) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const process = new Deno.Command(PATHS[program], {
    args: args(folder, port),
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  try {
    for (let n = 0; n < 100 && !await ready(port); n++) {
      await new Promise((done) => setTimeout(done, 30));
    }
    await work(port, folder);
  } finally {
    try {
      process.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
    await process.status;
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  for (const [program, path] of Object.entries(PATHS)) {
    const here = isInstalled(program as Program);
    const what = granted("read") ? here ? "is here" : "is not here" : "?";
    console.log(program.padEnd(8), path.padEnd(16), what);
  }
}
