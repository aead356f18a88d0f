/**
 * Leaders of campaigns without agents and servers: real board, use cases, fenced store and memory store, under a clock the
 * test moves. A term may crash at any of its calls to the stores; the next one begins from what they hold.
 */

import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { createAggregate } from "../../shared/benchmark/aggregate.js";
import { pairKeys } from "../../shared/benchmark/identity.js";
import type { Item } from "../../shared/benchmark/item.js";
import { ordinalAt } from "../../shared/benchmark/plan.js";
import type { ResultRecord, Status } from "../../shared/benchmark/record.js";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import { ManualClock, settle } from "../../test/conformance/manual-clock.js";
import { type SuiteOptions, suiteOf } from "../../test/support/suites.js";
import { EventLog } from "../events.js";
import { Metrics } from "../metrics.js";
import { CellComparing } from "../results/cell-comparing.js";
import { givenUpRecords } from "../results/given-up-records.js";
import { StreamedResults } from "../results/streamed-results.js";
import type { Summarizer } from "../results/summary-thread.js";
import { FencedStore } from "../store/fenced-store.js";
import { MemoryCore } from "../store/memory-core.js";
import { MemoryStore, type StoreHook } from "../store/memory-store.js";
import type { StateStore } from "../store/store.js";
import { Board, type CampaignEntry, type JobEntry, rangeOf, type ShardKey } from "./board.js";
import type { Verdict } from "./commit-queue.js";
import { CommitQueue } from "./commit-queue.js";
import { completeAttempt } from "./complete-attempt.js";
import { loadEnded } from "./loaded.js";
import type { CampaignParts } from "./parts.js";
import { CampaignQuotas, type Tenants } from "./quotas.js";
import { recover, resume } from "./recover.js";
import { ShardNotices } from "./shard-notices.js";
import { shardEvent } from "./shard-steps.js";
import { submitCampaign } from "./submit.js";

/** Where a process dies: at its `at`-th call (from 1) to a store, before that has an effect or before it is answered. */
export interface Crash {
  at: number;
  when: "before" | "after";
}

export interface TermOptions {
  crash?: Crash;
  hook?: StoreHook;
  usage?: CampaignParts["usage"];
  tenants?: Tenants;
  idempotencyTtlMs?: number;
}

const TTL_MS = 6000;
const never = new Promise<never>(() => {});

export class World {
  readonly clock = new ManualClock();
  readonly core = new MemoryCore({ clock: this.clock });
  readonly blobs = new Map<string, Buffer>();
  /** The artifact store does not answer. */
  artifactsAway = false;
  private readonly terms: Term[] = [];
  private readonly random = randomOf(7);

  /** The next leader, with everything read back; the last one is dead, and what it had begun goes on. */
  async term(options: TermOptions = {}): Promise<Term> {
    const { clock } = this;
    for (const earlier of this.terms) earlier.crash();
    const gate = new CrashGate(options.crash);
    const hook: StoreHook = {
      request: async (call) => {
        await gate.before();
        await options.hook?.request(call);
      },
      reply: async (call) => {
        await gate.after();
        await options.hook?.reply(call);
      },
    };
    const state = new MemoryStore(this.core, { clock, hook });
    const store = await this.lead(state);
    const term = new Term(this, state, store, this.artifacts(gate), gate, options);
    this.terms.push(term);
    await recover(term.parts, state, store.lost);
    resume(term.parts);
    return term;
  }

  /** Moves time until the condition holds. */
  async until(what: string, isTrue: () => boolean | Promise<boolean>, withinMs = 120_000): Promise<void> {
    for (let waited = 0; !(await isTrue()); waited += 10) {
      if (waited > withinMs) throw new Error(`waited ${withinMs} virtual ms in vain until ${what}`);
      await this.clock.advance(10);
    }
  }

  /** The answer of a promise that needs time to pass. */
  async get<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const over = () => {
      settled = true;
    };
    promise.then(over, over);
    await this.until("it is answered", () => settled);
    return promise;
  }

  id(n: number): string {
    return this.random.id(n);
  }

  async close(): Promise<void> {
    await Promise.all(this.terms.map((term) => term.close()));
    this.core.dispose();
  }

  private async lead(state: StateStore): Promise<FencedStore> {
    const self = () => ({ replica: "r", nonce: this.random.id(20), address: "" });
    for (;;) {
      const answer = await FencedStore.acquire(state, self(), { ttlMs: TTL_MS, clock: this.clock });
      if (answer.kind === "acquired") return answer.store;
      await this.clock.advance(TTL_MS); // the last leader's time runs out
    }
  }

  private artifacts(gate: CrashGate): ArtifactStore {
    const asks = async <T>(act: () => T): Promise<T> => {
      await gate.before();
      if (this.artifactsAway) throw new SaiError("unavailable", "the artifact store is away");
      const answer = act();
      await gate.after();
      return answer;
    };
    const { blobs } = this;
    return {
      location: "memory",
      put: (key, data) =>
        asks(() => {
          const known = blobs.get(key);
          if (known && !known.equals(data)) throw new SaiError("already_exists", `${key} holds other bytes`);
          blobs.set(key, Buffer.from(data));
        }),
      get: (key) =>
        asks(() => {
          const data = blobs.get(key);
          if (data === undefined) throw new SaiError("not_found", `there is no artifact ${key}`);
          return data;
        }),
      size: (key) => asks(() => blobs.get(key)?.byteLength),
      remove: (key) => asks(() => void blobs.delete(key)),
    };
  }
}

/** Lets calls through until the process dies; from then on none is answered. */
class CrashGate {
  calls = 0;
  dead = false;

  constructor(private readonly crash: Crash | undefined) {}

  async before(): Promise<void> {
    if (this.dead) await never;
    this.calls += 1;
    if (this.crash?.at === this.calls && this.crash.when === "before") await this.die();
  }

  async after(): Promise<void> {
    if (this.crash?.at === this.calls && this.crash.when === "after") await this.die();
    if (this.dead) await never;
  }

  die(): Promise<never> {
    this.dead = true;
    return never;
  }
}

/** What campaigns asked of agents. */
export type Told =
  | { kind: "stop" | "ended"; agent: string; fence: string }
  | { kind: "retract"; agent: string; fences: string[] };

export class Term {
  readonly parts: CampaignParts;
  readonly board = new Board();
  readonly told: Told[] = [];
  readonly logs: { level: string; msg: string }[] = [];
  private readonly results: StreamedResults;
  private readonly metrics: Metrics;
  private n = 0n;

  constructor(
    private readonly world: World,
    private readonly state: MemoryStore,
    private readonly store: FencedStore,
    artifacts: ArtifactStore,
    private readonly gate: CrashGate,
    options: TermOptions,
  ) {
    const { board } = this;
    const { clock } = world;
    const log = lineLogger((line) => this.logs.push(JSON.parse(line)), "debug");
    const random = randomOf(11);
    const events = new EventLog(clock);
    this.metrics = new Metrics({ clock });
    this.results = new StreamedResults(board, artifacts, IN_PROCESS);
    const { metrics, results } = this;
    this.parts = {
      ...{ board, store, state, artifacts, results, events, metrics, clock, random, log },
      ...(options.usage ? { usage: options.usage } : {}),
      commits: new CommitQueue({ store, clock, random, metrics, log }, { intervalMs: 8 }),
      notices: new ShardNotices({ clock, events, metrics, results, log }),
      submitting: new Map(),
      manifests: {},
      quotas: new CampaignQuotas(options.tenants ?? new Map(), board),
      datasetsDir: "/nowhere",
      readFile: () => Promise.reject(new Error("no files here")),
      idempotencyTtlMs: options.idempotencyTtlMs ?? 7 * 24 * 3_600_000,
      agents: {
        stop: (agent, fence) => this.told.push({ kind: "stop", agent, fence: fenceText(fence) }),
        retract: (agent, fences) => this.told.push({ kind: "retract", agent, fences: fences.map(fenceText) }),
        ended: (agent, fence) => this.told.push({ kind: "ended", agent, fence: fenceText(fence) }),
        named: () => {},
        available: () => undefined,
      },
      wake: () => {},
    };
    board.loadWith((entry) => loadEnded(this.parts, entry));
  }

  /** Calls to the stores so far. */
  get calls(): number {
    return this.gate.calls;
  }

  get crashed(): boolean {
    return this.gate.dead;
  }

  /** The process dies here and now. */
  crash(): void {
    void this.gate.die();
  }

  /** A campaign that runs. */
  async campaign(suite: SuiteOptions = {}, idempotencyKey = ""): Promise<CampaignEntry> {
    const entry = await this.submit(suite, idempotencyKey);
    await this.world.until("the campaign runs", () => entry.value.state.kind === "RUNNING");
    return entry;
  }

  submit(suite: SuiteOptions = {}, idempotencyKey = ""): Promise<CampaignEntry> {
    const request = { suite: suiteOf(suite), inputs: [], modelMap: {}, priority: 0 };
    return this.world.get(submitCampaign(this.parts, request, idempotencyKey));
  }

  /** Gives a shard to an agent, which begins with it. */
  give(key: ShardKey, agent = "n1"): Fence {
    this.n += 1n;
    const fence = { epoch: this.store.epoch, n: this.n };
    const acceptByMs = this.world.clock.nowMs() + 5000;
    const given = shardEvent(this.parts, key, { kind: "assign", fence, agent, acceptByMs });
    if (given === undefined) throw new Error(`shard ${key.index} cannot be given out`);
    shardEvent(this.parts, key, { kind: "accept", fence });
    shardEvent(this.parts, key, { kind: "start", fence });
    return fence;
  }

  /** What an agent sends when it has run a shard; each sample ends as `statusOf` says, ok by default. */
  async result(
    key: ShardKey,
    fence: Fence,
    statusOf: (ordinal: number) => Status = () => "ok",
    agent = "n1",
  ) {
    const entry = this.board.campaign(key.campaign);
    const job = this.board.job(key.campaign, key.job);
    if (entry === undefined || job === undefined) throw new Error("there is no such job");
    const records = await this.records(entry, job, key.index, fence, statusOf);
    const counts: { [status: string]: number } = {};
    for (const { status } of records) counts[status] = (counts[status] ?? 0) + 1;
    const bytes = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    return {
      ...{ agent, fence, shard: key, gate: job.gate, uri: "", sha256: sha256(bytes), counts },
      ...{ sizeBytes: bytes.byteLength, inline: bytes },
    };
  }

  /** An agent runs a shard and sends the result. */
  async run(key: ShardKey, statusOf?: (ordinal: number) => Status): Promise<Verdict> {
    const result = await this.result(key, this.give(key), statusOf);
    return this.world.get(completeAttempt(this.parts, result));
  }

  /** Runs what is pending of a campaign until it has ended. */
  async runAll(entry: CampaignEntry, statusOf?: (ordinal: number) => Status): Promise<void> {
    for (const job of entry.jobs) {
      for (let index = 0; index < job.shards.length; index++) {
        if (job.shards[index]?.kind !== "PENDING") continue;
        await this.run({ campaign: entry.value.id, job: job.spec.id, index }, statusOf);
      }
    }
    await this.ended(entry);
  }

  async ended(entry: CampaignEntry): Promise<void> {
    await this.world.until("the campaign has ended", () => entry.value.endedMs !== undefined);
  }

  /** All records that the results index gives for a campaign. */
  async allRecords(id: string): Promise<ResultRecord[]> {
    const records: ResultRecord[] = [];
    for await (const record of this.results.records(id)) records.push(record);
    return records;
  }

  async close(): Promise<void> {
    this.crash();
    await this.results.close();
    this.metrics.close();
    await this.state.close();
    await settle();
  }

  private async records(
    entry: CampaignEntry,
    job: JobEntry,
    index: number,
    fence: Fence,
    statusOf: (ordinal: number) => Status,
  ): Promise<ResultRecord[]> {
    const range = rangeOf(job, index);
    const items: Item[] = Array.from({ length: job.spec.dataset.items }, (_, i) => ({
      ...{ id: `q${i + 1}`, input: `question ${i + 1}`, target: `a${i + 1}`, media: [] },
    }));
    const failed = { kind: "failed", status: "engine_error", cause: "", reason: "" } as const;
    const pairs = pairKeys(items, sha256);
    const made = givenUpRecords(entry.value.id, job.spec, index, range, failed, items, pairs, sha256);
    return made.map(({ error: _, ...record }, i) => ({
      ...record,
      ...{ attempt: fenceText(fence), status: statusOf(ordinalAt(job.spec, range.first + i)) },
    }));
  }
}

/** Sums up in this process: a thread lives in real time. */
const IN_PROCESS: Summarizer = {
  async summarize({ plan, campaigns }, batches, meta) {
    const aggregate = createAggregate(plan, campaigns);
    for await (const records of batches) for (const record of records) aggregate.add(record);
    return aggregate.summary(meta);
  },
  async compare(task, base, candidate) {
    const comparing = new CellComparing(task);
    for await (const records of base) for (const record of records) comparing.add(record);
    comparing.turn();
    for await (const records of candidate) for (const record of records) comparing.add(record);
    return comparing.result();
  },
  async close() {},
};

function randomOf(seed: number): Random {
  const next = seededRandom(seed);
  return {
    next,
    id: (n) => Array.from({ length: n }, () => Math.floor(next() * 36).toString(36)).join(""),
  };
}
