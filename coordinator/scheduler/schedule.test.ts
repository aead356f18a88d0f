import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { feasible, mayRetryOn } from "./feasible.js";
import type { IndexRange } from "./ranges.js";
import { schedule } from "./schedule.js";
import type { AgentSnapshot, JobSnapshot, Schedule, Snapshot } from "./snapshot.js";
import { type AgentMore, agent, type JobMore, job } from "./snapshot.test-support.js";

const run = (agents: AgentSnapshot[], jobs: JobSnapshot[], nowMs = 0, maxWaitMs = 60_000) =>
  schedule({ agents, jobs, options: { maxWaitMs } }, nowMs);
const short = (s: Schedule) => s.assignments.map((a) => `${a.agent}:${a.campaign}/${a.job}#${a.first}`);

describe("choices", () => {
  test("higher priority first, then fair between campaigns, then plan order", () => {
    const jobs = [
      job("c-old", "j0001", { createdMs: 1 }),
      job("c-old", "j0000", { createdMs: 1, pending: [{ from: 4, to: 5 }] }),
      job("c-new", "j0000", { createdMs: 2 }),
      job("c-top", "j0000", { createdMs: 3, priority: 1, pending: [{ from: 0, to: 1 }] }),
    ];
    const one = agent("n1", { lanes: [{ lane: "cpu", credits: 5, deviceClass: "cpu" }] });
    expect(short(run([one], jobs))).toEqual([
      "n1:c-top/j0000#0",
      "n1:c-old/j0000#4",
      "n1:c-new/j0000#0",
      "n1:c-old/j0001#0",
      "n1:c-new/j0000#1",
    ]);
  });

  test("a campaign with more in flight steps back", () => {
    const jobs = [job("c-1", "j0000"), job("c-2", "j0000", { createdMs: 9 })];
    const one = agent("n1", { held: new Map([["c-1", 2]]) });
    expect(short(run([one], jobs))).toEqual(["n1:c-2/j0000#0", "n1:c-2/j0000#1"]);
  });

  test("a loaded model stays, and each agent keeps its own", () => {
    const jobs = [job("c-1", "j0000"), job("c-1", "j0001", { model: "b" })];
    const agents = [agent("n1", { loadedModels: ["ollama:b"] }), agent("n2", { loadedModels: ["ollama:a"] })];
    expect(short(run(agents, jobs))).toEqual([
      "n1:c-1/j0001#0",
      "n2:c-1/j0000#0",
      "n1:c-1/j0001#1",
      "n2:c-1/j0000#1",
    ]);
  });

  test("cold agents spread over models", () => {
    const jobs = [job("c-1", "j0000"), job("c-1", "j0001", { model: "b" })];
    const made = short(run([agent("n1"), agent("n2")], jobs));
    expect(made.filter((m) => m.startsWith("n1:c-1/j0000"))).toHaveLength(2);
    expect(made.filter((m) => m.startsWith("n2:c-1/j0001"))).toHaveLength(2);
  });

  test("a warm lane is served before a cold one may take its work", () => {
    const jobs = [job("c-1", "j0000", { pending: [{ from: 0, to: 2 }] })];
    const agents = [agent("n1"), agent("n2", { loadedModels: ["ollama:a"] })];
    expect(short(run(agents, jobs))).toEqual(["n2:c-1/j0000#0", "n2:c-1/j0000#1"]);
  });

  test("a model that waited too long takes over one lane, which then stays with it", () => {
    const jobs = [
      job("c-1", "j0000", { waitingSinceMs: 90_000 }),
      job("c-1", "j0001", { model: "b", waitingSinceMs: 10_000 }),
    ];
    const busy = (id: string) =>
      agent(id, {
        loadedModels: ["ollama:a"],
        lanes: [{ lane: "cpu", credits: 2, deviceClass: "cpu", lastModel: "ollama:a" }],
      });
    expect(short(run([busy("n1"), busy("n2")], jobs, 70_000))).toEqual([
      "n1:c-1/j0000#0",
      "n2:c-1/j0000#1",
      "n1:c-1/j0000#2",
      "n2:c-1/j0000#3",
    ]);
    expect(short(run([busy("n1"), busy("n2")], jobs, 70_001))).toEqual([
      "n1:c-1/j0001#0",
      "n2:c-1/j0000#0",
      "n1:c-1/j0001#1",
      "n2:c-1/j0000#1",
    ]);
  });

  test("a failed shard waits for another node if there is one, and goes first there", () => {
    const jobs = [job("c-1", "j0000", { pending: [], retries: [{ index: 3, failedOn: ["n1"] }] })];
    const full = agent("n2", { lanes: [{ lane: "cpu", credits: 0, deviceClass: "cpu" }] });
    expect(run([agent("n1"), full], jobs).assignments).toEqual([]);
    expect(short(run([agent("n1"), agent("n2")], jobs))).toEqual(["n2:c-1/j0000#3"]);
    expect(short(run([agent("n1"), agent("n2", { cordoned: true })], jobs))).toEqual(["n1:c-1/j0000#3"]);
  });

  test("who waits is told why", () => {
    const reason = (agents: AgentSnapshot[], more: JobMore = {}) =>
      run(agents, [job("c-1", "j0000", more)]).waiting[0]?.message;
    const { gate: _, ...shut } = job("c-1", "j0000");
    expect(run([agent("n1")], [shut]).waiting[0]?.message).toBe("its gate is not open yet");
    expect(reason([])).toBe("no node is connected");
    expect(reason([agent("n1")])).toBe("all 1 nodes that can run ollama:a are busy");
    expect(reason([agent("n1", { engines: [] }), agent("n2", { state: "SUSPECT" })])).toBe(
      "no node can run ollama:a: n1 has no engine ollama; n2 is suspect",
    );
    expect(reason([agent("n1")], { pending: [{ from: 0, to: 2 }] })).toBeUndefined();
  });
});

test("feasible names the first thing that is missing", () => {
  const reason = (a: AgentMore, j: JobMore = {}) => {
    const answer = feasible(agent("n1", a), job("c-1", "j0000", j));
    return answer.ok ? answer.lanes : answer.reason;
  };
  expect(reason({})).toEqual(["cpu"]);
  expect(reason({ state: "DRAINING" })).toBe("n1 is draining");
  expect(reason({ cordoned: true })).toBe("n1 is cordoned");
  expect(reason({ engines: [{ kind: "ocr", models: [] }] })).toBe("n1 has no engine ollama");
  expect(reason({ engines: [{ kind: "ollama", models: [], unavailable: "connection refused" }] })).toBe(
    "n1 cannot use ollama: connection refused",
  );
  expect(reason({ engines: [{ kind: "ollama", models: ["b"] }] })).toBe("n1 does not serve a with ollama");
  expect(reason({ engines: [{ kind: "ollama", models: ["a:latest"] }] })).toEqual(["cpu"]);
  expect(reason({ lanes: [{ lane: "gpu", credits: 1, deviceClass: "nvidia-h200" }] })).toBe(
    "n1 has no cpu device",
  );
  expect(reason({}, { deviceClass: "nvidia-h200" })).toBe("n1 has no device of class nvidia-h200");
});

const few = fc.integer({ min: 0, max: 3 });
const anyAgent = (id: string): fc.Arbitrary<AgentSnapshot> =>
  fc
    .record({
      id: fc.constant(id),
      state: fc.constantFrom("READY", "READY", "READY", "SUSPECT"),
      cordoned: fc.boolean().map((b) => b && id === "n0"),
      lanes: fc.uniqueArray(
        fc.record({
          lane: fc.constantFrom("cpu", "gpu"),
          credits: few,
          deviceClass: fc.constantFrom("x", "y"),
        }),
        { selector: (l) => l.lane, maxLength: 2 },
      ),
      engines: fc.uniqueArray(
        fc.record({
          kind: fc.constantFrom("ollama" as const, "ocr" as const),
          models: fc.subarray(["a", "b", "c"]),
        }),
        { selector: (e) => e.kind, minLength: 1 },
      ),
      loadedModels: fc.subarray(["ollama:a", "ollama:b", "ocr:c"]),
    })
    .map(({ id: _, ...more }) => agent(id, more));
const anyJob = (campaign: string, id: string): fc.Arbitrary<JobSnapshot> =>
  fc
    .record({
      priority: fc.constant(campaign === "c-2" ? 1 : 0),
      createdMs: fc.constant(campaign.charCodeAt(2)),
      engine: fc.constantFrom("ollama" as const, "ocr" as const),
      model: fc.constantFrom("a", "b", "c"),
      modelLoads: fc.boolean(),
      lanes: fc.subarray(["cpu", "gpu"], { minLength: 1 }),
      pending: fc
        .uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 4 })
        .map((xs) => xs.sort((a, b) => a - b).map((x) => ({ from: x * 3, to: x * 3 + 1 + (x % 3) }))),
      retries: fc
        .uniqueArray(fc.integer({ min: 100, max: 103 }), { maxLength: 3 })
        .chain((xs) =>
          fc.tuple(
            ...xs.map((index) =>
              fc.record({ index: fc.constant(index), failedOn: fc.subarray(["n0", "n1", "n2"]) }),
            ),
          ),
        ),
      waitingSinceMs: fc.integer({ min: 0, max: 200 }),
      open: fc.integer({ min: 0, max: 5 }),
    })
    .map(({ open, ...more }) => {
      const { gate, ...rest } = job(campaign, id, more);
      return open === 0 || gate === undefined ? rest : { ...rest, gate };
    });
const anySnapshot: fc.Arbitrary<Snapshot> = fc.record({
  agents: fc.tuple(...["n0", "n1", "n2"].map(anyAgent)),
  jobs: fc.tuple(
    ...["c-0", "c-1", "c-2"].flatMap((c) => ["j0000", "j0001", "j0002"].map((j) => anyJob(c, j))),
  ),
  options: fc.constant({ maxWaitMs: 100 }),
});

const listed = (ranges: readonly IndexRange[]) =>
  ranges.flatMap((r) => Array.from({ length: r.to - r.from }, (_, i) => r.from + i));

/** What is wrong with a schedule by the numbered invariants 1, 2, 5 and 6 of schedule.ts; written without its code. */
function faults(snapshot: Snapshot, made: Schedule): string[] {
  const out: string[] = [];
  const left = new Map(
    snapshot.jobs.map((j) => [
      j,
      new Set([
        ...listed(j.pending.untried.ranges),
        ...j.pending.retries.flatMap((r) => listed(r.shards.ranges)),
      ]),
    ]),
  );
  const credits = new Map<string, number>(
    snapshot.agents.flatMap((a) => a.lanes.map((l) => [`${a.id}/${l.lane}`, l.credits] as const)),
  );
  const feasibleAgents = (j: JobSnapshot) =>
    snapshot.agents.filter((a) => feasible(a, j).ok).map((a) => a.id);
  const allowed = (j: JobSnapshot, a: AgentSnapshot, lane: string, shard: number) => {
    const answer = feasible(a, j);
    const failedOn = j.pending.retries.find((r) => r.shards.has(shard))?.failedOn ?? [];
    return (
      j.gate !== undefined &&
      answer.ok &&
      answer.lanes.includes(lane) &&
      mayRetryOn(a.id, failedOn, feasibleAgents(j))
    );
  };
  const lowest = new Map<string, number>();
  for (const x of made.assignments) {
    const j = snapshot.jobs.find((y) => y.campaign === x.campaign && y.job === x.job);
    const a = snapshot.agents.find((y) => y.id === x.agent);
    if (!j || !a) throw new Error(`${x.campaign}/${x.job} or ${x.agent} is unknown`);
    const name = `${x.agent}/${x.lane}`;
    if (!allowed(j, a, x.lane, x.first)) out.push(`infeasible ${name} ${x.job}#${x.first}`);
    if (!left.get(j)?.delete(x.first)) out.push(`twice ${x.campaign}/${x.job}#${x.first}`);
    credits.set(name, (credits.get(name) ?? 0) - 1);
    if ((credits.get(name) ?? 0) < 0) out.push(`overdrawn ${name}`);
    lowest.set(name, Math.min(lowest.get(name) ?? Number.POSITIVE_INFINITY, j.priority));
  }
  for (const a of snapshot.agents) {
    for (const { lane } of a.lanes) {
      const name = `${a.id}/${lane}`;
      for (const [j, shards] of left) {
        if (![...shards].some((s) => allowed(j, a, lane, s))) continue;
        if ((credits.get(name) ?? 0) > 0) out.push(`idle ${name} while ${j.campaign}/${j.job} waits`);
        if ((lowest.get(name) ?? Number.POSITIVE_INFINITY) < j.priority) out.push(`priority on ${name}`);
      }
    }
  }
  return out;
}

const anyNow = fc.integer({ min: 0, max: 400 });

test("feasible only, no overdraft, nothing twice, work-conserving, priority first; jobs left are explained", () => {
  holdsFor(
    "schedule",
    fc.property(anySnapshot, anyNow, (snapshot, nowMs) => {
      const made = schedule(snapshot, nowMs);
      expect(faults(snapshot, made)).toEqual([]);
      const count = (j: JobSnapshot) => j.pending.ready;
      for (const j of snapshot.jobs) {
        const given = made.assignments.filter((a) => a.campaign === j.campaign && a.job === j.job).length;
        const told = made.waiting.filter((w) => w.campaign === j.campaign && w.job === j.job).length;
        expect(told).toBe(given < count(j) ? 1 : 0);
      }
    }),
    600,
  );
});

test("the checker itself sees each planted fault", () => {
  const snapshot: Snapshot = {
    agents: [agent("n1"), agent("n2", { state: "SUSPECT" })],
    jobs: [job("c-1", "j0000"), job("c-1", "j0001", { priority: 1 })],
    options: { maxWaitMs: 1 },
  };
  const give = (first: number, more = {}) => ({
    ...{ campaign: "c-1", job: "j0001", first, count: 1, agent: "n1", lane: "cpu", why: "loads" as const },
    ...more,
  });
  const seen = (...assignments: Schedule["assignments"]) => faults(snapshot, { assignments, waiting: [] });
  expect(seen(give(0), give(1))).toEqual([]);
  expect(seen(give(0), give(0))).toContain("twice c-1/j0001#0");
  expect(seen(give(0), give(1), give(2))).toContain("overdrawn n1/cpu");
  expect(seen(give(0, { agent: "n2" }))).toContain("infeasible n2/cpu j0001#0");
  expect(seen(give(0))).toContain("idle n1/cpu while c-1/j0000 waits");
  expect(seen(give(0), give(0, { job: "j0000" }))).toContain("priority on n1/cpu");
});

test("the order of agents and jobs in the snapshot does not matter", () => {
  holdsFor(
    "deterministic",
    fc.property(anySnapshot, anyNow, (snapshot, nowMs) => {
      const turned = {
        ...snapshot,
        agents: [...snapshot.agents].reverse(),
        jobs: [...snapshot.jobs].reverse(),
      };
      expect(schedule(turned, nowMs).assignments).toEqual(schedule(snapshot, nowMs).assignments);
    }),
    200,
  );
});

test("affinity loads models less often than first come, first served", () => {
  // Two agents of one slot, four models, jobs of one shard that alternate between them: what a matrix looks like.
  const jobs = Array.from({ length: 32 }, (_, i) =>
    job("c-1", `j${String(i).padStart(4, "0")}`, {
      model: "abcd".charAt(i % 4),
      pending: [{ from: 0, to: 1 }],
    }),
  );
  const loads = (pick: (snapshot: Snapshot) => { job: string; agent: string }[]) => {
    const loaded = new Map<string, string>();
    let left = [...jobs];
    let count = 0;
    while (left.length > 0) {
      const agents = ["n1", "n2"].map((id) => {
        const model = loaded.get(id);
        return agent(id, {
          lanes: [{ lane: "cpu", credits: 1, deviceClass: "cpu", ...(model ? { lastModel: model } : {}) }],
          loadedModels: model ? [model] : [],
        });
      });
      for (const given of pick({ agents, jobs: left, options: { maxWaitMs: 1e9 } })) {
        const model = `ollama:${left.find((j) => j.job === given.job)?.model}`;
        if (loaded.get(given.agent) !== model) count++;
        loaded.set(given.agent, model);
        left = left.filter((j) => j.job !== given.job);
      }
    }
    return count;
  };
  const fifo = loads(({ agents, jobs: left }) =>
    left.slice(0, 2).map((j, i) => ({ job: j.job, agent: agents[i]?.id ?? "" })),
  );
  const affine = loads((snapshot) => schedule(snapshot, 0).assignments);
  expect({ fifo, affine }).toEqual({ fifo: 32, affine: 4 });
});
