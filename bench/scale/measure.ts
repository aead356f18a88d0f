/**
 * One size: a fleet of simulated agents works through a campaign of no-op shards on etcd; half-way its coordinator is
 * killed with `kill -9` and started again. At the end everything is counted: each shard ran, has one record, and is in the summary.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Campaign, CampaignState, connect } from "../../cli/client.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import type { FleetAgentsQuestions } from "../fleet/agents.js";
import type { FleetCoordinatorQuestions, Memory, Ports } from "../fleet/coordinator.js";
import { allReady, memoryOf } from "../fleet/measure.js";
import { ask } from "../support/asking.js";
import { startBenchEtcd } from "../support/bench-etcd.js";
import { compiled } from "../support/compiled.js";
import { type LineChild, startLineChild } from "../support/line-child.js";
import { cpuSecondsOf, peakRssOf, type Usage } from "../support/usage.js";
import { type Counted, countRecords, countRuns } from "./counts.js";

export interface Size {
  agents: number;
  shards: number;
}

/** Some of a campaign's way under one coordinator. */
export interface Stretch {
  shards: number;
  usage: Usage;
  etcdCpuS: number;
}

export interface ScaleMeasured extends Size {
  firstReadyS: number;
  /** Of the coordinator, before any agent, with all of them, and once the campaign is over. */
  memory: { before: Memory; fleet: Memory; over: Memory };
  /** While nothing but heartbeats happens. */
  idle: Usage;
  /** From the submit until the coordinator is killed, and from its return to the last shard. */
  stretches: [Stretch, Stretch];
  /** Of either coordinator, bytes. */
  peakRss: [number, number];
  /** From the kill: until the new one listened, all agents were ready, a further shard was done, s. */
  back: { listeningS: number; allReadyS: number; nextDoneS: number };
  store: { doneBytes: number; sealedBytes: number; sealedInUse: number };
  /** From the last shard until the campaign is over, s. */
  sealS: number;
  counted: Counted;
  /** Answered samples in the campaign's stored summary. */
  summedUp: number;
}

const JOBS = 10;
const IDLE_S = 5;
const AGENTS_A_PROCESS = 2500;
/** Agents that are started together; as many from each process. */
const WAVE = 1000;
const POLL_MS = 50;
const LONGEST_S = 600;

export async function measure(
  folder: string,
  { agents, shards }: Size,
  { etcd: program, say }: { etcd: string; say: (text: string) => void },
): Promise<ScaleMeasured> {
  const children: LineChild[] = [];
  const child = (name: string): LineChild => {
    const started = startLineChild(compiled(new URL(`../fleet/${name}.ts`, import.meta.url)));
    children.push(started);
    return started;
  };
  const etcd = await startBenchEtcd(program);
  const abort = new AbortController();
  try {
    let coordinator = child("coordinator");
    const start = (ports: Ports): Promise<Ports> =>
      ask<FleetCoordinatorQuestions, "start">(coordinator, "start", { folder, ports, etcd: etcd.url });
    const begin = () => ask<FleetCoordinatorQuestions, "begin">(coordinator, "begin", {});
    const end = () => ask<FleetCoordinatorQuestions, "end">(coordinator, "end", {});
    const ports = await start({ api: 0, agents: 0, http: 0 });
    const client = connect({ address: `127.0.0.1:${ports.api}`, signal: abort.signal });
    const before = await memoryOf(coordinator);
    const startedMs = clock.nowMs();
    const fleet: LineChild[] = [];
    for (let first = 0; first < agents; first += AGENTS_A_PROCESS) fleet.push(child("agents"));
    const address = `127.0.0.1:${ports.agents}`;
    // One wave after the other, as machines are switched on; after the kill they come back all at once.
    for (let ready = 0; ready < agents; ) {
      for (const [i, process] of fleet.entries()) {
        const first = i * AGENTS_A_PROCESS + ready / fleet.length;
        const count = Math.min(WAVE, agents - ready) / fleet.length;
        const some = { folder, address, first, count, of: agents, run: "noop" as const };
        await ask<FleetAgentsQuestions, "start">(process, "start", some);
      }
      ready += Math.min(WAVE, agents - ready);
      await allReady(ports, ready);
    }
    const firstReadyS = (clock.nowMs() - startedMs) / 1000;
    say(`all agents are ready after ${firstReadyS.toFixed(1)} s`);
    await begin();
    await clock.sleep(IDLE_S * 1000);
    const idle = await end();
    const memory = await memoryOf(coordinator);
    await allReady(ports, agents); // looking at its memory holds it up, which may cost it the leadership

    await begin();
    let etcdCpuS = cpuSecondsOf(etcd.pid);
    const spec = { suite: suite(shards), inputs: [], modelMap: {}, priority: 0, tenant: "" };
    // With its key it is submitted once, however often it is asked for.
    const submit = () => client.createCampaign(spec, "scale").catch(() => undefined);
    const { id } = await until(submit, () => true);
    const look = () => client.getCampaign(id).catch(() => undefined);
    const half = await until(look, (campaign) => doneOf(campaign) >= shards / 2);
    const first = { usage: await end(), shards: doneOf(half), etcdCpuS: cpuSecondsOf(etcd.pid) - etcdCpuS };
    say(`${first.shards} shards after ${first.usage.wallS.toFixed(1)} s; the coordinator is killed`);
    const peakBefore = peakRssOf(coordinator.pid);
    await coordinator.kill();
    const killedMs = clock.nowMs();
    const sinceKillS = () => (clock.nowMs() - killedMs) / 1000;
    coordinator = child("coordinator");
    await begin();
    etcdCpuS = cpuSecondsOf(etcd.pid);
    await start(ports);
    const listeningS = sinceKillS();
    const found = doneOf(await until(look, () => true));
    const next = async () => {
      await until(look, (campaign) => doneOf(campaign) > found || doneOf(campaign) === shards);
      return sinceKillS();
    };
    const ready = async () => {
      await allReady(ports, agents);
      return sinceKillS();
    };
    const [nextDoneS, allReadyS] = await Promise.all([next(), ready()]);
    say(`listening after ${listeningS.toFixed(1)} s, all agents ready after ${allReadyS.toFixed(1)} s`);
    await until(look, (campaign) => doneOf(campaign) === shards);
    const second = {
      usage: await end(),
      shards: shards - found,
      etcdCpuS: cpuSecondsOf(etcd.pid) - etcdCpuS,
    };
    const doneMs = clock.nowMs();
    const { dbBytes: doneBytes } = await etcd.size();
    say("all shards are done");
    const over = await until(look, isOver);
    const sealS = (clock.nowMs() - doneMs) / 1000;
    if (over.state !== CampaignState.SUCCEEDED)
      throw new Error(`the campaign ended as ${CampaignState[over.state]}: ${over.reason}`);
    const summedUp = samplesIn(readFileSync(join(folder, "artifacts", "run", id, "summary.json"), "utf8"));
    const sealed = await etcd.size();
    const peakAfter = peakRssOf(coordinator.pid);
    const memoryOver = await memoryOf(coordinator);
    const runs = await Promise.all(fleet.map((one) => ask<FleetAgentsQuestions, "runs">(one, "runs", {})));
    return {
      ...{ agents, shards, firstReadyS, idle, sealS, summedUp, stretches: [first, second] },
      memory: { before, fleet: memory, over: memoryOver },
      peakRss: [peakBefore, peakAfter],
      back: { listeningS, allReadyS, nextDoneS },
      store: { doneBytes, sealedBytes: sealed.dbBytes, sealedInUse: sealed.inUseBytes },
      counted: { ...countRuns(runs), ...(await countRecords(join(folder, "artifacts"))) },
    };
  } finally {
    abort.abort();
    await Promise.all(children.map((one) => one.kill()));
    await etcd.close();
    rmSync(join(folder, "artifacts"), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Answered samples of a stored summary. */
const samplesIn = (json: string): number =>
  (JSON.parse(json) as Summary).cells.reduce((sum, { counts }) => sum + (counts?.ok ?? 0), 0);

const doneOf = (campaign: Campaign): number => campaign.progress?.shardsDone ?? 0;

const isOver = ({ state }: Campaign): boolean =>
  [CampaignState.SUCCEEDED, CampaignState.PARTIAL, CampaignState.FAILED, CampaignState.CANCELLED].includes(
    state,
  );

async function until(
  look: () => Promise<Campaign | undefined>,
  test: (campaign: Campaign) => boolean,
): Promise<Campaign> {
  const untilMs = clock.nowMs() + LONGEST_S * 1000;
  let last: Campaign | undefined;
  while (clock.nowMs() < untilMs) {
    last = await look();
    if (last && (test(last) || isOver(last))) return last;
    await clock.sleep(POLL_MS);
  }
  throw new Error(`after ${LONGEST_S} s ${last ? doneOf(last) : "no"} shards are done`);
}

/** So many shards of one sample in ten jobs, as JSON. */
function suite(shards: number): string {
  const items = Math.min(1000, shards / JOBS);
  return JSON.stringify({
    schema: "sai/v1",
    name: "scale",
    prompts: Array.from({ length: JOBS }, (_, i) => ({
      ...{ id: `ask-${i}`, template: `${i} {{ input }}`, output: "text" },
    })),
    models: [{ id: "m", engine: "simulated" }],
    datasets: [
      {
        id: "d",
        items: Array.from({ length: items }, (_, i) => ({ input: `question ${i}`, target: `a${i}` })),
      },
    ],
    metrics: ["exact_match"],
    run: { shard_size: 1, repetitions: shards / JOBS / items },
  });
}
