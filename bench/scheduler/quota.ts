/** What a cycle costs for a tenant at its quota: its work waits, and most lanes of the fleet are idle. */

import { PendingShards } from "../../coordinator/scheduler/pending.js";
import { plan } from "../../coordinator/scheduler/schedule.js";
import type { JobSnapshot } from "../../coordinator/scheduler/snapshot.js";
import { scheduler } from "./policies.js";
import { mixedCampaigns } from "./workload.js";

const QUOTA = 8;
const CYCLES = 200;

/** Processor time of a cycle, us, with the quota used up and with one shard of it free; ten shards a node wait. */
export function atQuota(agents: number, models: number): { usedUpUs: number; oneFreeUs: number } {
  const policy = scheduler(120_000, { tenantLimits: new Map([["t", QUOTA]]) });
  const shape = { agents, shards: 10 * agents, campaigns: 4, models, seed: 1, sizingError: 0 };
  const jobs = mixedCampaigns(shape).map(({ spec, shardMs }): JobSnapshot => {
    const pending = PendingShards.first(shardMs.length);
    return {
      ...spec,
      tenant: "t",
      pending,
      inFlight: 0,
      ran: { shards: 100, ms: 3_000_000 },
      waitingSinceMs: 0,
    };
  });
  for (const job of jobs) policy.job(job);
  const capability = {
    engines: [{ kind: "ollama" as const, models: [] }],
    lanes: [{ lane: "gpu", slots: 1, deviceClass: "gpu" }],
  };
  for (let i = 0; i < agents; i++) {
    const held = i < QUOTA ? new Map([[jobs[0]?.campaign ?? "", 1]]) : new Map<string, number>();
    policy.agent({
      ...{ id: `n${String(i).padStart(5, "0")}`, state: "READY", cordoned: false, capability },
      lanes: [
        { lane: "gpu", credits: 2 - held.size, held, lastModel: `ollama:m${i % models}`, modelSinceMs: 0 },
      ],
      loadedModels: [],
    });
  }
  const cycleUs = (inFlight: number): number => {
    for (const job of jobs.slice(0, 1)) policy.job({ ...job, inFlight });
    plan(policy.standing, 1000);
    const { user } = process.cpuUsage();
    for (let i = 0; i < CYCLES; i++) plan(policy.standing, 1000);
    return (process.cpuUsage().user - user) / CYCLES;
  };
  return { usedUpUs: cycleUs(QUOTA), oneFreeUs: cycleUs(QUOTA - 1) };
}
