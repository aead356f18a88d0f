/**
 * The scheduler: a snapshot goes in; assignments, and reasons for them and for waiting, come out.
 *
 * 1. Only feasible work (feasible.ts), never more than a lane's credits, no shard twice.
 * 2. Fair between tenants, higher priority first within a tenant, fair between its campaigns: slots are divided first
 *    (targets.ts), and lanes follow (turn.ts).
 * 3. A lane stays on its model while there is work for it and it is not a whole lane too many; a model is loaded on the
 *    lanes that its work is worth, so that loads are few; a campaign that waited for its turn takes a lane over.
 * 4. A free slot stays free only when nothing pending may run there, or when the lanes that have the model would be
 *    done with it about as soon as it could be loaded.
 * 5. What waited longer than `starvedAfterMs`, and whose campaign holds nothing where it could run, gets the next
 *    credit of a lane whatever else waits; a lane serves such work once in that time. So every feasible shard is served
 *    within a time that later arrivals cannot lengthen, and priority still means something.
 * 6. A shard that failed on a node goes to another if any other is feasible.
 * 7. No tenant has more on nodes than its quota; work that waits for that waits outside 4 and 5. What a quota leaves is
 *    divided by priority, and alike between equal campaigns, over all pools (division.ts).
 * 8. Equal snapshots give equal plans, in whatever order they list agents and jobs.
 *
 * Cost: pools with free lanes and work × the campaigns that want them, and the assignments made.
 */
import { Draft } from "./draft.js";
import { explain } from "./explain.js";
import type { Lane, Pool } from "./lanes.js";
import { type Queue, servedMs } from "./queues.js";
import type { Schedule, Snapshot } from "./snapshot.js";
import { Standing } from "./standing.js";
import { Turn } from "./turn.js";

/** `nowMs` is monotonic, on the clock of `waitingSinceMs`. */
export function schedule(snapshot: Snapshot, nowMs: number): Schedule {
  const draft = plan(Standing.of(snapshot), nowMs);
  const campaigns = [...draft.standing.campaigns.keys()].sort();
  return {
    assignments: draft.assignments,
    waiting: campaigns.flatMap((campaign) => explain(draft, campaign)),
  };
}

/** The same for a snapshot that is kept up; it is not changed. */
export function plan(standing: Standing, nowMs: number): Draft {
  const draft = new Draft(standing, nowMs);
  if (standing.live.size === 0) return draft;
  const pools = [...standing.live].filter((pool) => draft.isOpen(pool));
  if (pools.length === 0) return draft;
  pools.sort((a, b) => (a.key < b.key ? -1 : 1));
  serveStarved(draft, pools);
  const { division } = draft;
  division.begin();
  const turns = pools.map((pool) => new Turn(draft, pool));
  do {
    draft.reopen();
    for (const turn of turns) turn.stay();
    for (const turn of turns) turn.load();
  } while (!draft.full && division.again());
  division.ahead();
  for (const turn of turns) turn.fill();
  division.end();
  return draft;
}

/** Invariant 5. */
function serveStarved(draft: Draft, pools: readonly Pool[]): void {
  const starved = new Set<Queue>();
  for (const pool of pools) {
    for (const queue of draft.offerOf(pool).queues) if (hasStarved(draft, queue)) starved.add(queue);
  }
  const order = [...starved].sort(
    (a, b) =>
      a.sinceMs - b.sinceMs ||
      a.campaign.createdMs - b.campaign.createdMs ||
      (a.campaign.id + a.requirement.key < b.campaign.id + b.requirement.key ? -1 : 1),
  );
  for (const queue of order) {
    if (!hasStarved(draft, queue)) continue; // another of its campaign was served
    const lane = laneFor(draft, queue);
    if (lane) draft.give(lane, queue, 1, "starved");
  }
}

function laneFor(draft: Draft, queue: Queue): Lane | undefined {
  const { pools, affinity } = queue.requirement;
  const everyMs = starvedAfterMs(draft);
  const lists = [
    ...pools.map(({ idle }) => idle.byModel.get(affinity)),
    ...pools.map(({ idle }) => idle.all),
    ...pools.map(({ spare }) => spare.byModel.get(affinity)),
    ...pools.map(({ spare }) => spare.all),
  ];
  for (const list of lists) {
    const lane = list?.lanes.find(
      (l) => draft.credits(l) > 0 && !draft.rescued(l, everyMs) && draft.offers(queue, l.agent),
    );
    if (lane) return lane;
  }
  return undefined;
}

/** Whether work waited so long that it goes first whatever its priority. */
function hasStarved(draft: Draft, queue: Queue): boolean {
  const beforeMs = draft.nowMs - starvedAfterMs(draft);
  return queue.sinceMs < beforeMs && servedMs(queue) < beforeMs && !draft.holds(queue);
}

const starvedAfterMs = ({ standing: { options } }: Draft): number =>
  options.starvedAfterMs ?? 5 * options.maxWaitMs;
