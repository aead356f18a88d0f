/**
 * What scheduling costs and how well it plans, at four sizes: mixed campaigns are run to completion in simulated time,
 * under the scheduler and first come, first served; and what a cycle costs for a tenant at its quota while most of the
 * fleet is idle, and what a look at the tails of jobs does. Prints lines for each and, as the last line, all as JSON.
 *
 *   npm run bench:scheduler [-- --sizes 4 --seed 1 --sizing-error 0 --campaigns 12 --models 4]
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { fewestFairLoads, fewestLoads, shortestMs } from "./bound.js";
import { firstComeFirstServed, scheduler } from "./policies.js";
import { atQuota } from "./quota.js";
import { simulate } from "./simulate.js";
import { tailCost } from "./tails.js";
import { mixedCampaigns } from "./workload.js";

const SIZES = [
  { agents: 10, shards: 1_000 },
  { agents: 100, shards: 10_000 },
  { agents: 1_000, shards: 100_000 },
  { agents: 10_000, shards: 1_000_000 },
];
/** Nodes with a hundred attempts each. */
const TAILS = [1_000, 10_000];
const MAX_WAIT_MS = 120_000;
const LOAD_MS = 30_000;

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
    "sizing-error": { type: "string", default: "0" },
    campaigns: { type: "string", default: "12" },
    models: { type: "string", default: "4" },
  },
});
/** Processor time of this process; what else runs on the machine does not count. */
function cpuOf<T>(run: () => T): { result: T; us: number } {
  const start = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(start);
  return { result, us: user + system };
}

// The first run would pay for compiling it all.
simulate(
  mixedCampaigns({ agents: 50, shards: 2_000, campaigns: 12, models: 4, seed: 0, sizingError: 0 }),
  50,
  LOAD_MS,
  scheduler(MAX_WAIT_MS),
);
let before: number | undefined;
const rows = SIZES.slice(0, Number(flags.sizes)).map(({ agents, shards }) => {
  const work = mixedCampaigns({
    ...{ agents, shards, campaigns: Number(flags.campaigns), models: Number(flags.models) },
    ...{ seed: Number(flags.seed), sizingError: Number(flags["sizing-error"]) },
  });
  const policy = scheduler(MAX_WAIT_MS);
  const { result: ours, us } = cpuOf(() => simulate(work, agents, LOAD_MS, policy));
  const idleUs = cycleUs(() => policy.decide(ours.makespanMs));
  const fifo = simulate(work, agents, LOAD_MS, firstComeFirstServed());
  const bound = fewestLoads(work, ours.makespanMs, LOAD_MS);
  const fair = fewestFairLoads(work, agents, ours.makespanMs, LOAD_MS);
  const shortest = shortestMs(work, agents, LOAD_MS);
  const quota = atQuota(agents, Number(flags.models));
  const { assignments, cycles } = ours;
  const usPerAssignment = us / assignments;
  const growth = usPerAssignment / (before ?? usPerAssignment);
  before = usPerAssignment;
  const row = {
    ...{ agents, shards: assignments, jobs: work.length },
    ...{ loads: ours.loads, bound, ratio: ours.loads / bound, fair, fairRatio: ours.loads / fair },
    ...{ span: ours.makespanMs / shortest, cycles, idleUs, growth },
    ...{ usPerAssignment, usPerCycle: us / cycles, quota },
    fifo: { loads: fifo.loads, ratio: fifo.loads / bound, span: fifo.makespanMs / shortest },
  };
  process.stdout.write(
    `${agents} agents, ${row.shards} shards of ${row.jobs} jobs: ${row.loads} loads, bound ${bound} (${row.ratio.toFixed(3)}), ` +
      `with fair shares ${fair} (${row.fairRatio.toFixed(3)}); time ${row.span.toFixed(3)} of the shortest; ` +
      `${row.usPerAssignment.toFixed(1)} us an assignment (${growth.toFixed(2)} times as at the size before), ` +
      `${row.usPerCycle.toFixed(1)} us a cycle, ${idleUs.toFixed(2)} without work; ` +
      `first come, first served: ${fifo.loads} loads, time ${row.fifo.span.toFixed(2)}\n` +
      `  a tenant at its quota: ${quota.usedUpUs.toFixed(1)} us a cycle, ${quota.oneFreeUs.toFixed(1)} where one shard of it is free\n`,
  );
  return row;
});
const tails = TAILS.map((nodes) => {
  const row = tailCost(nodes, 100, 1);
  process.stdout.write(
    `${nodes} nodes with ${row.attempts} attempts: a look at tails ${row.fullMs.toFixed(2)} ms that fills an opening, ` +
      `${row.vainMs.toFixed(2)} ms in vain, the longest ${row.worstMs.toFixed(1)} ms\n`,
  );
  return row;
});
const machine = { node: process.version, cpu: cpus()[0]?.model.trim() ?? "unknown", cores: cpus().length };
process.stdout.write(`${JSON.stringify({ machine, load1m: loadavg()[0], aim: 1.05, rows, tails })}\n`);

/** Mean over many. */
function cycleUs(cycle: () => unknown): number {
  const n = 1000;
  const startMs = performance.now();
  for (let i = 0; i < n; i++) cycle();
  return ((performance.now() - startMs) * 1000) / n;
}
