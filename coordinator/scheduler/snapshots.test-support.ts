/** Arbitrary snapshots, small enough that agents and jobs meet in all ways. */
import fc from "fast-check";
import type { AgentSnapshot, JobSnapshot, Snapshot } from "./snapshot.js";
import { agent, job } from "./snapshot.test-support.js";

const MODELS = ["ollama:a", "ollama:b", "ocr:c"];
const CAMPAIGNS = ["c-0", "c-1", "c-2"];
const few = fc.integer({ min: 0, max: 3 });
const maybe = <T>(value: fc.Arbitrary<T>, name: string) =>
  fc.option(value, { nil: undefined }).map((v) => (v === undefined ? {} : { [name]: v }));

const anyLane = fc
  .tuple(
    fc.record({
      lane: fc.constantFrom("cpu", "gpu"),
      slots: fc.integer({ min: 1, max: 2 }),
      credits: few,
      deviceClass: fc.constantFrom("x", "y"),
      held: fc.record({ "c-0": few, "c-2": fc.integer({ min: 0, max: 1 }) }),
    }),
    maybe(fc.constantFrom(...MODELS), "lastModel"),
    maybe(fc.integer({ min: 0, max: 300 }), "modelSinceMs"),
    maybe(fc.integer({ min: 0, max: 300 }), "rescuedMs"),
  )
  .map(([lane, ...more]) => Object.assign({}, lane, ...more) as typeof lane);

export const anyAgent = (id: string): fc.Arbitrary<AgentSnapshot> =>
  fc
    .record({
      state: fc.constantFrom("READY", "READY", "READY", "SUSPECT"),
      cordoned: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
      lanes: fc.uniqueArray(anyLane, { selector: (l) => l.lane, maxLength: 2 }),
      engines: fc.uniqueArray(
        fc.record({
          kind: fc.constantFrom("ollama" as const, "ocr" as const),
          models: fc.subarray(["a", "b", "c"]),
        }),
        { selector: (e) => e.kind, minLength: 1 },
      ),
      loadedModels: fc.subarray(MODELS),
    })
    .map((more) => agent(id, more));

export const anyJob = (campaign: string, id: string): fc.Arbitrary<JobSnapshot> =>
  fc
    .record({
      tenant: fc.constant(campaign === "c-2" ? "t2" : "t1"),
      priority: fc.constant(campaign === "c-1" ? 1 : 0),
      createdMs: fc.constant(campaign.charCodeAt(2)),
      engine: fc.constantFrom("ollama" as const, "ocr" as const),
      model: fc.constantFrom("a", "b", "c"),
      modelLoads: fc.boolean(),
      lanes: fc.subarray(["cpu", "gpu"], { minLength: 1 }),
      pending: fc
        .uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 4 })
        .map((xs) => xs.map((x) => ({ from: x * 3, to: x * 3 + 1 + (x % 3) }))),
      retries: fc
        .uniqueArray(fc.integer({ min: 100, max: 103 }), { maxLength: 3 })
        .chain((xs) =>
          fc.tuple(
            ...xs.map((index) =>
              fc.record({ index: fc.constant(index), failedOn: fc.subarray(["n0", "n1", "n2"]) }),
            ),
          ),
        ),
      later: fc.subarray([200], { minLength: 0 }),
      waitingSinceMs: fc.integer({ min: 0, max: 200 }),
      held: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
      paused: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
      inFlight: fc.integer({ min: 0, max: 2 }),
      open: fc.integer({ min: 0, max: 7 }),
      ran: fc.option(
        fc.record({ shards: fc.integer({ min: 1, max: 9 }), ms: fc.integer({ min: 1, max: 900 }) }),
      ),
    })
    .map(({ open, ran, ...more }) => {
      const { gate, ...rest } = job(campaign, id, { ...more, ...(ran ? { ran } : {}) });
      return open === 0 || gate === undefined ? rest : { ...rest, gate };
    });

/** `c-1` is of higher priority than `c-0`, or all are alike. */
const anyJobs = fc
  .tuple(
    fc.tuple(...CAMPAIGNS.flatMap((c) => ["j0000", "j0001", "j0002"].map((id) => anyJob(c, id)))),
    fc.boolean(),
  )
  .map(([jobs, alike]) => (alike ? jobs.map((one) => ({ ...one, priority: 0 })) : jobs));

export const anySnapshot: fc.Arbitrary<Snapshot> = fc.record({
  agents: fc.tuple(...["n0", "n1", "n2"].map(anyAgent)),
  jobs: anyJobs,
  options: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }).map((most) => ({
    ...{ maxWaitMs: 100, tenantWeights: new Map([["t2", 2]]) },
    tenantLimits: new Map(most === undefined ? [] : [["t1", most]]),
  })),
});

export const anyNow = fc.integer({ min: 0, max: 900 });
