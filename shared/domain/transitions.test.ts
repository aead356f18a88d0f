/** Every machine × state × event. The compiler keeps the tables complete; `no` means refused. */
import { describe, expect, test } from "vitest";
import {
  type AgentEvent,
  type AgentKind,
  type AgentState,
  silence,
  takesWork,
  transitionAgent,
} from "./agent.js";
import {
  type CampaignEvent,
  type CampaignKind,
  type CampaignState,
  campaignOutcome,
  isTerminal,
  transitionCampaign,
} from "./campaign.js";
import { type JobEvent, type JobKind, type JobState, jobOutcome, transitionJob } from "./job.js";
import { NO_FAILURES, RETRY_LIMITS } from "./retry.js";
import { type ShardEvent, type ShardKind, type ShardState, transitionShard } from "./shard.js";
import type { Transition } from "./transition.js";

type Table<S extends string, E extends string> = Record<S, Record<E, S | "no">>;
type Step<S, E> = (state: S, event: E, nowMs: number) => Transition<S, unknown>;

function machine<S extends { kind: string }, E extends { kind: string }>(
  name: string,
  step: Step<S, E>,
  table: Table<S["kind"], E["kind"]>,
  states: { [K in S["kind"]]: S & { kind: K } },
  events: { [K in E["kind"]]: E & { kind: K } },
): void {
  describe(name, () => {
    for (const from of Object.keys(table) as S["kind"][]) {
      test(from, () => {
        for (const kind of Object.keys(table[from]) as E["kind"][]) {
          const before = structuredClone(states[from]);
          const made = step(states[from], events[kind], 5);
          expect(`${kind} → ${made.ok ? made.state.kind : "no"}`).toBe(`${kind} → ${table[from][kind]}`);
          if (!made.ok) expect(made.reason).not.toBe("");
          expect(states[from]).toEqual(before);
        }
      });
    }
  });
}

const at = { sinceMs: 1, planSha256: "p" };
const never = { plan: "no", refuse: "no", start: "no", pause: "no", resume: "no" } as const;
const closed = { ...never, cancel: "no", finish: "no", sealed: "no" } as const;
machine<CampaignState, CampaignEvent>(
  "campaign",
  transitionCampaign,
  {
    SUBMITTED: { ...closed, plan: "PLANNED", refuse: "FAILED", cancel: "CANCELLED" },
    PLANNED: { ...closed, start: "RUNNING", cancel: "SEALING" },
    RUNNING: { ...closed, pause: "PAUSED", cancel: "SEALING", finish: "SEALING" },
    PAUSED: { ...closed, resume: "RUNNING", cancel: "SEALING", finish: "SEALING" },
    SEALING: { ...closed, sealed: "PARTIAL" },
    SUCCEEDED: closed,
    PARTIAL: closed,
    FAILED: closed,
    CANCELLED: closed,
  } satisfies Table<CampaignKind, CampaignEvent["kind"]>,
  {
    SUBMITTED: { kind: "SUBMITTED", sinceMs: 1 },
    PLANNED: { kind: "PLANNED", ...at },
    RUNNING: { kind: "RUNNING", ...at },
    PAUSED: { kind: "PAUSED", ...at, reason: "r" },
    SEALING: { kind: "SEALING", ...at, outcome: "PARTIAL", reason: "r" },
    SUCCEEDED: { kind: "SUCCEEDED", ...at, reason: "" },
    PARTIAL: { kind: "PARTIAL", ...at, reason: "" },
    FAILED: { kind: "FAILED", sinceMs: 1, reason: "r" },
    CANCELLED: { kind: "CANCELLED", sinceMs: 1, reason: "r" },
  },
  {
    plan: { kind: "plan", planSha256: "p" },
    refuse: { kind: "refuse", reason: "r" },
    start: { kind: "start" },
    pause: { kind: "pause", reason: "r" },
    resume: { kind: "resume" },
    cancel: { kind: "cancel", reason: "r" },
    finish: { kind: "finish", outcome: "SUCCEEDED", reason: "" },
    sealed: { kind: "sealed" },
  },
);

const cells = { samples: 3, shardSize: 2 };
const shut = {
  plan: "no",
  open: "no",
  pause: "no",
  resume: "no",
  cancel: "no",
  finish: "no",
  sealed: "no",
} as const;
machine<JobState, JobEvent>(
  "job",
  transitionJob,
  {
    SUBMITTED: { ...shut, plan: "PLANNED", cancel: "CANCELLED" },
    PLANNED: { ...shut, open: "RUNNING", cancel: "SEALING" },
    RUNNING: { ...shut, pause: "PAUSED", cancel: "SEALING", finish: "SEALING" },
    PAUSED: { ...shut, resume: "RUNNING", cancel: "SEALING", finish: "SEALING" },
    SEALING: { ...shut, sealed: "FAILED" },
    SUCCEEDED: shut,
    PARTIAL: shut,
    FAILED: shut,
    CANCELLED: shut,
  } satisfies Table<JobKind, JobEvent["kind"]>,
  {
    SUBMITTED: { kind: "SUBMITTED" },
    PLANNED: { kind: "PLANNED", ...cells },
    RUNNING: { kind: "RUNNING", ...cells, gate: 4n },
    PAUSED: { kind: "PAUSED", ...cells, gate: 4n, reason: "r" },
    SEALING: { kind: "SEALING", ...cells, outcome: "FAILED", reason: "r" },
    SUCCEEDED: { kind: "SUCCEEDED", endedMs: 1, reason: "" },
    PARTIAL: { kind: "PARTIAL", endedMs: 1, reason: "" },
    FAILED: { kind: "FAILED", endedMs: 1, reason: "" },
    CANCELLED: { kind: "CANCELLED", endedMs: 1, reason: "" },
  },
  {
    plan: { kind: "plan", ...cells },
    open: { kind: "open", gate: 4n },
    pause: { kind: "pause", reason: "r" },
    resume: { kind: "resume" },
    cancel: { kind: "cancel", reason: "r" },
    finish: { kind: "finish", outcome: "SUCCEEDED", reason: "" },
    sealed: { kind: "sealed" },
  },
);

const fence = { epoch: 2n, n: 1n };
const held = { fence, agent: "n1", failures: NO_FAILURES, failedOn: [] };
const limits = RETRY_LIMITS;
const over = {
  assign: "no",
  adopt: "no",
  accept: "no",
  start: "no",
  upload: "no",
  commit: "no",
  give_back: "no",
  withdraw: "no",
  fail: "no",
  orphan: "no",
  expire: "no",
  split: "no",
  give_up: "no",
} as const;
const written = { commit: "DONE", split: "SPLIT", give_up: "FAILED" } as const;
const onAgent = {
  ...over,
  ...written,
  upload: "UPLOADED",
  withdraw: "PENDING",
  fail: "PENDING",
  orphan: "ORPHANED",
} as const;
machine<ShardState, ShardEvent>(
  "shard",
  transitionShard,
  {
    PENDING: { ...over, ...written, assign: "ASSIGNED", adopt: "RUNNING" },
    ASSIGNED: { ...onAgent, accept: "ACCEPTED", start: "RUNNING", give_back: "PENDING" },
    ACCEPTED: { ...onAgent, start: "RUNNING", give_back: "PENDING" },
    RUNNING: onAgent,
    UPLOADED: { ...onAgent, upload: "no", withdraw: "no" },
    ORPHANED: { ...onAgent, orphan: "no", expire: "PENDING" },
    DONE: over,
    FAILED: over,
    SPLIT: over,
  } satisfies Table<ShardKind, ShardEvent["kind"]>,
  {
    PENDING: { kind: "PENDING", failures: NO_FAILURES, failedOn: [] },
    ASSIGNED: { kind: "ASSIGNED", acceptByMs: 9, ...held },
    ACCEPTED: { kind: "ACCEPTED", ...held },
    RUNNING: { kind: "RUNNING", sinceMs: 1, ...held },
    UPLOADED: { kind: "UPLOADED", ...held },
    ORPHANED: { kind: "ORPHANED", sinceMs: 1, ...held },
    DONE: { kind: "DONE", fence },
    FAILED: { kind: "FAILED", status: "oom", reason: "r" },
    SPLIT: { kind: "SPLIT", children: [2] },
  },
  {
    assign: { kind: "assign", fence, agent: "n1", acceptByMs: 9 },
    adopt: { kind: "adopt", fence, agent: "n1", running: true },
    accept: { kind: "accept", fence },
    start: { kind: "start", fence },
    upload: { kind: "upload", fence },
    commit: { kind: "commit", fence },
    give_back: { kind: "give_back", fence, reason: "r" },
    withdraw: { kind: "withdraw", fence, reason: "r", notify: true },
    fail: { kind: "fail", fence, class: "infra", message: "m", limits },
    orphan: { kind: "orphan", fence },
    expire: { kind: "expire", fence, limits },
    split: { kind: "split", children: [2] },
    give_up: { kind: "give_up", status: "poison", reason: "r" },
  },
);

const seen = { lastSeenMs: 1, incarnation: 3n };
const node = {
  connect: "CONNECTING",
  hello: "RECONCILING",
  reconciled: "no",
  heartbeat: "no",
  disconnect: "no",
  suspect: "no",
  lose: "LOST",
  drain: "no",
  undrain: "no",
  bye: "LOST",
} as const;
machine<AgentState, AgentEvent>(
  "agent",
  transitionAgent,
  {
    CONNECTING: { ...node, connect: "no" },
    RECONCILING: { ...node, reconciled: "READY", heartbeat: "RECONCILING" },
    READY: {
      ...node,
      heartbeat: "READY",
      disconnect: "SUSPECT",
      suspect: "SUSPECT",
      lose: "no",
      drain: "DRAINING",
    },
    SUSPECT: { ...node, heartbeat: "READY", drain: "DRAINING" },
    DRAINING: { ...node, heartbeat: "DRAINING", undrain: "READY" },
    LOST: { ...node, lose: "no", bye: "no" },
  } satisfies Table<AgentKind, AgentEvent["kind"]>,
  {
    CONNECTING: { kind: "CONNECTING", lastSeenMs: 1 },
    RECONCILING: { kind: "RECONCILING", ...seen },
    READY: { kind: "READY", ...seen },
    SUSPECT: { kind: "SUSPECT", ...seen },
    DRAINING: { kind: "DRAINING", ...seen, reason: "r" },
    LOST: { kind: "LOST", sinceMs: 1, reason: "r" },
  },
  {
    connect: { kind: "connect" },
    hello: { kind: "hello", incarnation: 3n },
    reconciled: { kind: "reconciled" },
    heartbeat: { kind: "heartbeat" },
    disconnect: { kind: "disconnect" },
    suspect: { kind: "suspect" },
    lose: { kind: "lose" },
    drain: { kind: "drain", reason: "r" },
    undrain: { kind: "undrain" },
    bye: { kind: "bye", reason: "r" },
  },
);

test("a shard hears only its own attempt, but any attempt may commit", () => {
  const running: ShardState = { kind: "RUNNING", sinceMs: 1, ...held };
  const other = { epoch: 1n, n: 9n };
  expect(transitionShard(running, { kind: "upload", fence: other }, 5)).toMatchObject({
    ok: false,
    reason: "upload does not fit RUNNING: it is held under 2.1",
  });
  expect(transitionShard(running, { kind: "commit", fence: other }, 5)).toEqual({
    ok: true,
    state: { kind: "DONE", fence: other },
    effects: [{ kind: "end_attempt", fence, agent: "n1", end: "SUPERSEDED", notify: true }],
  });
});

test("a shard fails for good when its class is exhausted, and remembers where it failed until then", () => {
  let state: ShardState = { kind: "RUNNING", sinceMs: 1, ...held };
  const oom: ShardEvent = { kind: "fail", fence, class: "resource", message: "m", limits };
  const once = transitionShard(state, oom, 5);
  expect(once).toMatchObject({ state: { kind: "PENDING", failures: { resource: 1 }, failedOn: ["n1"] } });
  state = { ...state, failures: { ...NO_FAILURES, resource: 1 } };
  expect(transitionShard(state, oom, 5)).toMatchObject({
    state: { kind: "FAILED", status: "oom" },
    effects: [{ kind: "end_attempt" }, { kind: "record_failure" }, { kind: "fail_samples", status: "oom" }],
  });
  expect(transitionShard(state, { ...oom, class: "model" }, 5).ok).toBe(false);
});

test("an old incarnation is refused; silence goes one step at a time; only ready and open nodes take work", () => {
  const ready: AgentState = { kind: "READY", ...seen };
  expect(transitionAgent(ready, { kind: "hello", incarnation: 2n }, 5).ok).toBe(false);
  const timers = { suspectAfterMs: 30, lostAfterMs: 60 };
  expect(silence(ready, 30, timers)).toBeUndefined();
  expect(silence(ready, 1_000, timers)).toEqual({ kind: "suspect" });
  expect(silence({ kind: "SUSPECT", ...seen }, 60, timers)).toBeUndefined();
  expect(silence({ kind: "SUSPECT", ...seen }, 61, timers)).toEqual({ kind: "lose" });
  expect(takesWork(ready, { kind: "open" })).toBe(true);
  expect(takesWork(ready, { kind: "cordoned", reason: "r" })).toBe(false);
  expect(takesWork({ kind: "SUSPECT", ...seen }, { kind: "open" })).toBe(false);
});

test("outcomes and ends", () => {
  expect(campaignOutcome(["SUCCEEDED", "SUCCEEDED"])).toBe("SUCCEEDED");
  expect(campaignOutcome(["SUCCEEDED", "FAILED"])).toBe("PARTIAL");
  expect(campaignOutcome(["FAILED", "FAILED"])).toBe("FAILED");
  expect(campaignOutcome(["CANCELLED"])).toBe("CANCELLED");
  expect([3, 1, 0].map((answered) => jobOutcome({ samples: 3, answered }))).toEqual([
    "SUCCEEDED",
    "PARTIAL",
    "FAILED",
  ]);
  expect(isTerminal({ kind: "SEALING" })).toBe(false);
});
