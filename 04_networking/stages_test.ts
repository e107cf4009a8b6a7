import { assertEquals, assertRejects } from "@std/assert";
import { StoryError } from "./failures.ts";
import { type Stage, Stages } from "./stages.ts";

/** Stages by a clock that is set, and what was told. */
function telling(showBytes?: boolean) {
  const clock = { now: 1000 };
  const told: Stage[] = [];
  const stages = new Stages({
    ...{ onStage: (stage) => void told.push(stage), now: () => clock.now },
    ...(showBytes !== undefined && { showBytes }),
  });
  return { clock, told, stages };
}

Deno.test("a stage is told when it ends, with when it began and how long it took", async () => {
  const { clock, told, stages } = telling();
  clock.now += 5;
  const result = await stages.tell("name", "DNS", async (say) => {
    say("asked");
    await Promise.resolve();
    assertEquals(told, []);
    clock.now += 20;
    say("found");
    return 42;
  });
  assertEquals(result, 42);
  const did = ["asked", "found"];
  assertEquals(told, [{ name: "name", layer: "DNS", start: 5, ms: 20, did }]);
  assertEquals(stages.elapsed, 25);
});

Deno.test("bytes are told only if they are asked for", async () => {
  for (
    const [shown, expected] of [[true, ["00"]], [false, undefined]] as const
  ) {
    const { told, stages } = telling(shown);
    await stages.tell("key", "hardware", (_, bytes) => bytes?.("00"));
    assertEquals(told[0].bytes, expected && [...expected]);
  }
});

Deno.test("a stage that fails is told as well, with why, and what a person can do", async () => {
  const { clock, told, stages } = telling();
  const error = await assertRejects(
    () =>
      stages.tell("connection", "TCP", (say) => {
        say("SYN");
        clock.now += 7;
        throw new DOMException("late", "TimeoutError");
      }),
    StoryError,
    "It took too long",
  );
  assertEquals(error.stage, "connection");
  const did = ["SYN", "late"];
  const stage = {
    name: "connection",
    layer: "TCP",
    start: 0,
    ms: 7,
    did,
  } as const;
  assertEquals(told, [stage]);
});

Deno.test("a mistake of the program is told, and stays one", async () => {
  const { told, stages } = telling();
  await assertRejects(
    () =>
      stages.tell(
        "memory",
        "browser",
        () => Promise.reject(new TypeError("a bug")),
      ),
    TypeError,
    "a bug",
  );
  assertEquals(told[0].did, ["a bug"]);
});
