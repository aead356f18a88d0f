import { expect, test } from "vitest";
import { type Clock, systemClock } from "./clock.js";
import { silentLogger } from "./logger.js";
import { createShutdown } from "./shutdown.js";

/** A clock whose deadlines pass when the test says so. */
function manualClock() {
  const due: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    nowMs: () => 0,
    after(_ms, run) {
      due.push(run);
      return () => due.splice(due.indexOf(run), 1);
    },
  };
  return { clock, due };
}

function setUp() {
  const { clock, due } = manualClock();
  const stopped: string[] = [];
  const shutdown = createShutdown({ clock, logger: silentLogger() });
  const add = (name: string, stop: () => Promise<void> | void = () => {}) =>
    shutdown.add(
      name,
      () => {
        stopped.push(name);
        return stop();
      },
      1000,
    );
  return { shutdown, add, stopped, due };
}

const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

test("what was started last stops first, one after the other", async () => {
  const { shutdown, add, stopped, due } = setUp();
  const order: string[] = [];
  add("store", () => void order.push("store"));
  add("server", async () => {
    await turns();
    order.push("server");
  });
  expect(shutdown.signal.aborted).toBe(false);
  const outcomes = await shutdown.run("SIGTERM");
  expect(shutdown.signal.aborted).toBe(true);
  expect(stopped).toEqual(["server", "store"]);
  expect(order).toEqual(["server", "store"]);
  expect(outcomes.map((o) => [o.name, o.kind])).toEqual([
    ["server", "stopped"],
    ["store", "stopped"],
  ]);
  expect(due).toEqual([]);
});

test("a part that fails is named and does not keep the others", async () => {
  const { shutdown, add } = setUp();
  add("store");
  add("server", () => Promise.reject(new Error("no")));
  add("loop", () => {
    throw new Error("thrown");
  });
  expect(await shutdown.run("SIGTERM")).toEqual([
    { name: "loop", kind: "failed", ms: 0, reason: "thrown" },
    { name: "server", kind: "failed", ms: 0, reason: "no" },
    { name: "store", kind: "stopped", ms: 0 },
  ]);
});

test("a part past its deadline is left behind", async () => {
  const { shutdown, add, due } = setUp();
  add("store");
  add("hanging", () => new Promise(() => {}));
  const run = shutdown.run("SIGTERM");
  await turns();
  expect(due).toHaveLength(1);
  due[0]?.();
  expect((await run).map((o) => o.kind)).toEqual(["late", "stopped"]);
});

test("force ends the wait and calls nothing more", async () => {
  const { shutdown, add, stopped } = setUp();
  add("store");
  add("hanging", () => new Promise(() => {}));
  const run = shutdown.run("SIGTERM");
  await turns();
  shutdown.force();
  expect((await run).map((o) => o.kind)).toEqual(["forced", "forced"]);
  expect(stopped).toEqual(["hanging"]);
});

test("a second run waits for the first", async () => {
  const { shutdown, add, stopped } = setUp();
  add("store");
  const [a, b] = await Promise.all([shutdown.run("SIGTERM"), shutdown.run("SIGINT")]);
  expect(a).toBe(b);
  expect(stopped).toEqual(["store"]);
});

test("what is added while or after stopping is stopped too", async () => {
  const { shutdown, add, stopped } = setUp();
  add("server", () => add("late comer"));
  await shutdown.run("SIGTERM");
  add("later still");
  await turns();
  expect(stopped).toEqual(["server", "late comer", "later still"]);
});
