/** What the metrics show of the board and the fleet at one moment. */
import { type Board, isEnded } from "./campaigns/board.js";
import type { Meter } from "./metrics.js";
import type { Fleet } from "./sessions/fleet.js";

type Counts = { [kind: string]: number };

export function showGauges(metrics: Meter, board: Board, fleet: Fleet): void {
  const [nodes, campaigns, shards]: [Counts, Counts, Counts] = [{}, {}, {}];
  let quarantined = 0;
  for (const { state, quarantine } of fleet.list()) {
    add(nodes, state.kind, 1);
    if (quarantine.kind === "quarantined") quarantined += 1;
  }
  for (const { value, jobs } of board.list()) {
    add(campaigns, value.state.kind, 1);
    if (isEnded(value.state)) continue;
    for (const { counters } of jobs) {
      for (const [kind, n] of Object.entries(counters.kinds)) if (n > 0) add(shards, kind, n);
    }
  }
  metrics.setNodes(nodes);
  metrics.setQuarantined(quarantined);
  metrics.setCampaigns(campaigns);
  metrics.setShards(shards);
}

function add(counts: Counts, kind: string, n: number): void {
  const name = kind.toLowerCase();
  counts[name] = (counts[name] ?? 0) + n;
}
