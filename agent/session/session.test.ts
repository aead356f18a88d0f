/** A session on a stream the test holds: what is said when, and what is made up for after a pause. */
import { expect, test } from "vitest";
import {
  AgentMessage,
  CoordinatorMessage,
  type Fence as WireFence,
} from "../../shared/gen/sai/agent/v1/session.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { until } from "../../test/support/until.js";
import type { Assignment, ShardResult } from "../attempt/assignment.js";
import { type AttemptOutcome, Attempts } from "../attempt/attempts.js";
import { DeviceLedger } from "../leases/device-ledger.js";
import { Identity } from "./identity.js";
import type { Link } from "./link.js";
import { Session } from "./session.js";

type Said = NonNullable<AgentMessage["body"]>;
type SaidOf<K extends Said["$case"]> = Extract<Said, { $case: K }>["value"];
type Answer = NonNullable<CoordinatorMessage["body"]>;

/** A stream whose far side is the test. */
class TestLink implements Link {
  readonly sent: AgentMessage[] = [];
  open = true;
  private readonly queue: CoordinatorMessage[] = [];
  private wake = () => {};

  send(message: AgentMessage): "sent" | "ended" {
    if (this.open) this.sent.push(AgentMessage.decode(AgentMessage.encode(message).finish()));
    return this.open ? "sent" : "ended";
  }
  async drained(): Promise<void> {}
  answer(body: Answer): void {
    this.queue.push(CoordinatorMessage.fromPartial({ clusterId: "c", epoch: 1n, body }));
    this.wake();
  }
  async close(): Promise<void> {
    this.open = false;
    this.wake();
  }
  get messages(): AsyncIterable<CoordinatorMessage> {
    return this.read();
  }
  private async *read() {
    while (this.open) {
      const message = this.queue.shift();
      if (message) yield message;
      else
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
    }
  }
  bodies<K extends Said["$case"]>(kind: K): SaidOf<K>[] {
    return this.sent.flatMap(({ body }) => (body?.$case === kind ? [body.value as SaidOf<K>] : []));
  }
  kinds(): string[] {
    return this.sent.map(({ body }) => body?.$case ?? "");
  }
}

const fence = (n: number) => ({ epoch: 1n, n: BigInt(n) });
const assignment = (n: number): Assignment => ({
  fence: fence(n),
  shard: { campaign: "c", job: "j", index: n, first: 0, count: 1 },
  ...{ gate: 1n, planSha256: "", lane: "cpu", deadlineMs: 1000, attempt: 0 },
});
const resultOf = (n: number): ShardResult => ({
  ...{ fence: fence(n), shard: assignment(n).shard, gate: 1n, uri: "", sha256: "f".repeat(64) },
  ...{ sizeBytes: 1024, counts: { ok: 1 }, inline: Buffer.alloc(1024) },
});
const numbers = (fences: WireFence[]) => fences.map(({ n }) => Number(n));
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** One agent of two slots; `session` starts another session with it. */
function agent() {
  const runs = new Map<number, { end(outcome: AttemptOutcome): void; started(): void }>();
  let current: Session | undefined;
  const attempts: Attempts = new Attempts(
    new DeviceLedger([{ uuid: "cpu", lane: "cpu", slots: 2 }]),
    // Ends when the test says so, and ignores that it is stopped, as a bad engine does.
    ({ fence: { n } }, _device, { started }) =>
      new Promise((resolve) => runs.set(Number(n), { end: resolve, started })),
    async () => {},
    silentLogger(),
    {
      started: (f) => current?.started(f),
      finished: (result) => current?.finished(result),
      failed: (failure) => current?.failed(failure) ?? false,
      retracted: (fences) => current?.retracted(fences),
      freed: (lane) => current?.freed(lane),
    },
  );
  const identity = new Identity("n1", 1n, () => {});
  const inventory = {
    ...{ hostname: "n1", os: "", cpuModel: "", cpuCores: 1, memoryBytes: 0 },
    ...{ devices: [], engines: [] },
  };
  async function session(probe = async () => ({ key: "k", sha256: "s" })) {
    const link = new TestLink();
    const session = new Session({
      ...{ link, identity, attempts, clock: systemClock, log: silentLogger(), probe, version: "1" },
      inventory: () => ({ hash: "h", inventory }),
      lanes: () => [{ lane: "cpu", slots: 2 }],
      ...{ loadedModels: () => [], takeLoads: () => [], loopLagMs: () => 0, onWelcome() {} },
    });
    current = session;
    const stop = new AbortController();
    const ran = session.run(stop.signal);
    await settle();
    return {
      link,
      session,
      async welcome(verdicts: [number, string][] = []) {
        const value = {
          heartbeatIntervalMs: 20,
          needInventory: false,
          lostAfterMs: 60_000,
          verdicts: verdicts.map(([n, verdict]) => ({ fence: fence(n), verdict })),
        };
        link.answer({ $case: "welcome", value });
        await settle();
      },
      async ready() {
        link.answer({ $case: "ready", value: {} });
        await settle();
      },
      async end() {
        stop.abort();
        await ran;
        current = undefined;
      },
    };
  }
  const fail = (n: number) =>
    runs.get(n)?.end({
      kind: "failed",
      failure: { fence: fence(n), shard: assignment(n).shard, class: "resource", cause: "", message: "oom" },
    });
  return { attempts, runs, session, fail };
}

test("a stop verdict for an attempt that does not end holds up neither heartbeats nor results", async () => {
  const { attempts, session, runs } = agent();
  attempts.accept(assignment(1));
  attempts.restore(resultOf(2), assignment(2));
  await settle();
  const s = await session();
  await s.welcome([
    [1, "STOP"],
    [2, "KEEP"],
  ]);
  await until("a heartbeat is sent", () => s.link.bodies("heartbeat").length > 0);
  expect(s.link.bodies("results").flatMap(({ results }) => results)).toHaveLength(1);
  runs.get(1)?.end({ kind: "cancelled" });
  await s.end();
});

test("what began between Hello and Ready is said at Ready", async () => {
  const { attempts, session, runs } = agent();
  attempts.accept(assignment(1));
  await settle();
  const s = await session();
  await s.welcome([[1, "KEEP"]]);
  runs.get(1)?.started();
  expect(s.link.kinds()).toEqual(["hello"]);
  await s.ready();
  expect(s.link.bodies("started").map(({ fences }) => numbers(fences))).toEqual([[1]]);
  await s.end();
});

test("an out-of-memory failure without a session is claimed in Hello and told after Welcome, once", async () => {
  const { attempts, session, fail } = agent();
  attempts.accept(assignment(1));
  await settle();
  const first = await session();
  await first.welcome([[1, "KEEP"]]);
  await first.end();
  fail(1);
  await settle();

  const second = await session();
  const [hello] = second.link.bodies("hello");
  expect(hello?.held.map(({ state }) => state)).toEqual(["running"]);
  expect(second.link.kinds()).toEqual(["hello"]);
  await second.welcome([[1, "KEEP"]]);
  expect(second.link.bodies("failed")).toMatchObject([{ class: "resource", fence: fence(1) }]);
  await second.end();
  const third = await session();
  expect(third.link.bodies("hello")[0]?.held).toEqual([]);
  await third.welcome();
  expect(third.link.bodies("failed")).toEqual([]);
  await third.end();
});

test("a failure on a stream that has just ended waits for the next", async () => {
  const { attempts, session, fail } = agent();
  attempts.accept(assignment(1));
  await settle();
  const first = await session();
  await first.welcome([[1, "KEEP"]]);
  first.link.open = false;
  fail(1);
  await settle();
  expect(attempts.holds(fence(1))).toBe(true);
  await first.end();
});

test("unstarted attempts are given back when the agent drains, also between Hello and Welcome", async () => {
  const { attempts, session, runs } = agent();
  for (const n of [1, 2, 3, 4]) attempts.accept(assignment(n));
  await settle();
  const early = await session();
  await early.welcome([1, 2, 3, 4].map((n) => [n, "KEEP"]));
  await early.ready();
  expect(early.link.bodies("credit").map(({ total }) => total)).toEqual([0n]);
  await early.end();

  const s = await session();
  attempts.drain();
  expect(s.link.kinds()).toEqual(["hello"]);
  await s.welcome([1, 2, 3, 4].map((n) => [n, "KEEP"]));
  expect(s.link.bodies("retracted").map(({ fences }) => numbers(fences))).toEqual([[3, 4]]);
  await s.ready();
  runs.get(1)?.end({ kind: "result", result: resultOf(1) });
  await settle();
  expect(s.link.bodies("results")).toHaveLength(1);
  expect(s.link.bodies("credit")).toEqual([]);
  await s.end();
});

test("a drain while work waits gives it back at once and gives no credit for it", async () => {
  const { attempts, session } = agent();
  const s = await session();
  await s.welcome();
  await s.ready();
  for (const n of [1, 2, 3]) attempts.accept(assignment(n));
  s.link.answer({ $case: "drain", value: { deadlineMs: 1 } });
  await settle();
  expect(s.link.bodies("retracted").map(({ fences }) => numbers(fences))).toEqual([[3]]);
  expect(s.link.bodies("credit").map(({ total }) => total)).toEqual([4n]);
  await s.end();
});

test("many results go in messages that stay within the limit of 256 KiB", async () => {
  const { attempts, session } = agent();
  for (let n = 1; n <= 950; n += 1) attempts.restore(resultOf(n), assignment(n));
  const s = await session();
  await s.welcome(Array.from({ length: 950 }, (_, i) => [i + 1, "KEEP"]));
  expect(s.link.bodies("results").flatMap(({ results }) => results)).toHaveLength(950);
  const sizes = s.link.sent.map((message) => AgentMessage.encode(message).finish().byteLength);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(256 * 1024);
  await s.end();
});

test("nothing is said before Hello, not even goodbye", async () => {
  const { session } = agent();
  let found = (_: { key: string; sha256: string }) => {};
  const s = await session(
    () =>
      new Promise((resolve) => {
        found = resolve;
      }),
  );
  s.session.bye("the agent was stopped");
  expect(s.link.kinds()).toEqual([]);
  found({ key: "k", sha256: "s" });
  await settle();
  s.session.bye("the agent was stopped");
  expect(s.link.kinds()).toEqual(["hello", "bye"]);
  await s.end();
});
