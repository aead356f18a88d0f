/**
 * The coordinator under test, a process of its own: the real core on the embedded store or on etcd and the real agent port, put
 * together as coordinator.ts does, without the ports for people. The campaign is submitted through the use case that
 * CreateCampaign calls.
 *
 * 1. A shard counts as done when its record is durable: what is counted is the board, which commits' verdicts fill.
 * 2. With an offered rate no shard may be given out before its moment: all are taken from the pending ones, and put back
 *    one by one.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { CampaignEntry, JobEntry } from "../../coordinator/campaigns/board.js";
import { submitCampaign } from "../../coordinator/campaigns/submit.js";
import { type Core, startCore } from "../../coordinator/core.js";
import { clusterIdOf, lead } from "../../coordinator/leading.js";
import { Metrics } from "../../coordinator/metrics.js";
import { StreamedResults } from "../../coordinator/results/streamed-results.js";
import { addAgentService } from "../../coordinator/sessions/agent-service.js";
import { BRAKE_LIMITS } from "../../coordinator/sessions/brake-state.js";
import { QUARANTINE_LIMITS } from "../../coordinator/sessions/quarantine-state.js";
import { openEmbeddedStore } from "../../coordinator/store/embedded/embedded-store.js";
import { EtcdStore } from "../../coordinator/store/etcd/etcd-store.js";
import type { Txn, TxnResult } from "../../coordinator/store/store.js";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { listen, newServer } from "../../shared/rpc/serve.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { defaultConfig } from "../../shared/runtime/config.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";
import { Loop, loopQuestions } from "../peers/loop.js";
import { expectedOf, told } from "../peers/shard-tasks.js";
import { arrivals } from "../support/arrivals.js";
import { answer } from "../support/asking.js";
import { type HotLine, profile } from "../support/profile.js";
import { measureUsage, type Usage } from "../support/usage.js";

/** What happened in a window. */
export interface CoordinatorWindow {
  usage: Usage;
  /** Shards whose records became durable. */
  shards: number;
  /** Transactions sent to the state store. */
  txns: number;
  hot: HotLine[];
}

const HOT_LINES = 10;

const log = lineLogger((line) => process.stderr.write(line), "warn");
let txns = 0;
let core: Core | undefined;
let entry: CampaignEntry | undefined;
let endWindow: (() => Promise<CoordinatorWindow>) | undefined;

/** Sends what it is told, and counts. */
class CountedEtcd extends EtcdStore {
  override txn(t: Txn): Promise<TxnResult> {
    txns += 1;
    return super.txn(t);
  }
}

let loop: Loop | undefined;
const ofLoop = loopQuestions(() => {
  if (loop === undefined) throw new Error("no loop was asked for");
  return loop;
});

const questions = {
  /** Starts it, on a folder or on an etcd server; where agents dial. */
  async start({ folder, etcd }: { folder: string; etcd: string }): Promise<{ address: string }> {
    const config = defaultConfig();
    const { coordinator: o } = config;
    const artifacts = await openFolderStore(join(folder, "artifacts"), random);
    const hook = {
      async request(call: string) {
        if (call === "txn") txns += 1;
      },
      async reply() {},
    };
    const { quotaBytes } = config.store;
    const state =
      etcd === ""
        ? await openEmbeddedStore({ folder: join(folder, "state"), quotaBytes, clock, random, log, hook })
        : new CountedEtcd({ endpoints: [etcd], clock, quotaBytes });
    const self = { replica: "bench", address: "127.0.0.1" };
    const store = await lead(state, self, { clock, random, log }, new AbortController().signal);
    const clusterId = await clusterIdOf(state, store, clock, randomUUID);
    core = await startCore({
      ...{ store, state, clusterId, artifacts, clock, random, log, metrics: new Metrics({ clock }) },
      results: (board) => new StreamedResults(board, artifacts),
      options: {
        ...o,
        suspectAfterMs: o.heartbeatIntervalMs * o.suspectAfterIntervals,
        lostAfterMs: o.heartbeatIntervalMs * o.lostAfterIntervals,
        quarantine: QUARANTINE_LIMITS,
        brake: BRAKE_LIMITS,
        datasetsDir: folder,
        tenants: new Map(),
      },
    });
    const server = newServer();
    const { outboxMaxMessages: maxMessages, outboxMaxBytes: maxBytes, slowPeerTimeoutMs: drainMs } = o;
    const limits = { maxMessages, maxBytes, drainMs };
    addAgentService(server, core, limits, clock, new Set());
    return { address: (await listen(server, "127.0.0.1", { value: 0, explicit: true }, "bench")).address };
  },

  /** Resolves when so many nodes are ready. */
  async ready({ nodes }: { nodes: number }): Promise<void> {
    await until(
      () =>
        running()
          .fleet.list()
          .filter((node) => node.state.kind === "READY").length === nodes,
    );
  },

  /** Starts a campaign; with `held` nothing of it is pending until `offer` says so. */
  async campaign({ suite, held }: { suite: string; held: boolean }): Promise<void> {
    const { campaigns, fleet } = running();
    for (const node of fleet.list()) node.cordon = { kind: "cordoned", reason: "the campaign is prepared" };
    const request = { suite, inputs: [], modelMap: {}, priority: 0 };
    const submitted = await submitCampaign(campaigns, request, "");
    entry = submitted;
    await until(() => submitted.value.state.kind === "RUNNING");
    if (held) for (const { pending } of submitted.jobs) pending.clear(); // invariant 2
    for (const node of fleet.list()) node.cordon = { kind: "open" };
    campaigns.wake();
  },

  /** Lets shards of the first job become pending at random moments; each one's moment, ns of the machine's clock. */
  async offer(o: {
    ratePerS: number;
    seconds: number;
    seed: number;
  }): Promise<{ from: number; atNs: number[] }> {
    const job = firstJob();
    const from = next;
    const atNs: number[] = [];
    for await (const dueNs of arrivals(o)) {
      for (const at of dueNs) {
        atNs.push(at);
        job.pending.add(next++);
      }
      running().campaigns.wake();
    }
    return { from, atNs };
  },

  /** From now on shards become pending one at a time, as the loop submits them (bench:peers); see shard-tasks.ts. */
  async loop(_: object): Promise<void> {
    const job = firstJob();
    const { commits } = running().campaigns;
    const commit = commits.commit.bind(commits);
    const submitted = new Loop(async (index) => {
      if (index >= job.shards.length) throw new Error("the campaign has no more shards");
      job.pending.add(index);
      running().campaigns.wake();
    }, expectedOf);
    commits.commit = async (shard, gate, done) => {
      const verdict = await commit(shard, gate, done);
      if (verdict === "COMMITTED")
        submitted.done(shard.index, done.kind === "result" ? told(done.inline) : "");
      return verdict;
    };
    loop = submitted;
  },
  beginLoop: ofLoop.begin,
  windowLoop: ofLoop.window,
  endLoop: ofLoop.end,

  async begin({ profiles }: { profiles: string }): Promise<void> {
    const [doneBefore, txnsBefore] = [firstJob().done.size, txns];
    const endProfile = profiles === "" ? undefined : await profile(HOT_LINES, profiles);
    const usage = measureUsage();
    endWindow = async () => ({
      ...{ usage: usage(), shards: firstJob().done.size - doneBefore, txns: txns - txnsBefore },
      hot: (await endProfile?.()) ?? [],
    });
  },

  async end(_: object): Promise<CoordinatorWindow> {
    if (endWindow === undefined) throw new Error("no window has begun");
    return endWindow();
  },
};
export type CoordinatorQuestions = typeof questions;

/** Shards of the first job that were offered. */
let next = 0;

const running = (): Core => {
  if (core === undefined) throw new Error("the coordinator has not been started");
  return core;
};

function firstJob(): JobEntry {
  const job = entry?.jobs[0];
  if (job === undefined) throw new Error("no campaign runs");
  return job;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await clock.sleep(20);
}

await answer(questions);
process.exit();
