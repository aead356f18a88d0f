/** What decides in the simulation: the scheduler, or first come, first served. */
import { plan } from "../../coordinator/scheduler/schedule.js";
import type {
  AgentSnapshot,
  Assignment,
  JobSnapshot,
  SchedulerOptions,
} from "../../coordinator/scheduler/snapshot.js";
import { Standing } from "../../coordinator/scheduler/standing.js";

export interface Policy {
  agent(snapshot: AgentSnapshot): void;
  job(snapshot: JobSnapshot): void;
  decide(nowMs: number): readonly Assignment[];
}

export function scheduler(
  maxWaitMs: number,
  more: Partial<SchedulerOptions> = {},
): Policy & { standing: Standing } {
  const standing = new Standing({ maxWaitMs, ...more });
  return {
    standing,
    agent: (snapshot) => standing.putAgent(snapshot),
    job: (snapshot) => standing.putJob(snapshot),
    decide: (nowMs) => plan(standing, nowMs).assignments,
  };
}

/** Every free credit gets the next shard of the oldest campaign's first job. */
export function firstComeFirstServed(): Policy {
  const free = new Map<string, AgentSnapshot>();
  const jobs: JobSnapshot[] = [];
  let first = 0;
  return {
    agent(snapshot) {
      if ((snapshot.lanes[0]?.credits ?? 0) > 0) free.set(snapshot.id, snapshot);
      else free.delete(snapshot.id);
    },
    job(snapshot) {
      const at = jobs.findIndex((j) => j.campaign === snapshot.campaign && j.job === snapshot.job);
      if (at >= 0) jobs[at] = snapshot;
      else jobs.push(snapshot);
    },
    decide() {
      const made: Assignment[] = [];
      let next = jobs[first]?.pending.untried.ranges[0]?.from ?? 0;
      for (const { id, lanes } of free.values()) {
        for (let credits = lanes[0]?.credits ?? 0; credits > 0; credits--) {
          let job = jobs[first];
          while (job && next >= (job.pending.untried.ranges[0]?.to ?? 0)) {
            job = jobs[++first];
            next = job?.pending.untried.ranges[0]?.from ?? 0;
          }
          if (!job) return made;
          const { campaign, job: name } = job;
          made.push({ campaign, job: name, first: next++, count: 1, agent: id, lane: "gpu", why: "stays" });
        }
      }
      return made;
    },
  };
}
