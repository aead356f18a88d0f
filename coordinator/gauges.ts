/** What the metrics show of the board and the fleet at one moment. */
import { type Board, isEnded } from "./campaigns/board.js";
import type { Meter } from "./metrics.js";
import type { Fleet } from "./sessions/fleet.js";

export function showGauges(metrics: Meter, board: Board, fleet: Fleet): void {
  const campaigns = board.list();
  const open = campaigns.filter((entry) => !isEnded(entry.value.state));
  metrics.setNodes(count(fleet.list().map((node) => node.state.kind)));
  metrics.setCampaigns(count(campaigns.map((entry) => entry.value.state.kind)));
  metrics.setShards(
    count(open.flatMap((entry) => entry.jobs.flatMap((job) => job.shards.map((s) => s.kind)))),
  );
}

function count(kinds: string[]): { [kind: string]: number } {
  const counts: { [kind: string]: number } = {};
  for (const kind of kinds) counts[kind.toLowerCase()] = (counts[kind.toLowerCase()] ?? 0) + 1;
  return counts;
}
