/**
 * Why a campaign is where it is, for people: what holds it as a whole, then per job where its shards are, why those
 * that wait do, and what keeps the nodes from taking them. Jobs with the same story are told together.
 */
import type { ExplainCampaignResponse, JobExplanation } from "../client.js";
import type { Paint } from "./color.js";
import { tableLines } from "./table.js";

const MAX_ROWS = 12;

/** The lines below the campaign; `wide` shows every row. */
export function whyLines(why: ExplainCampaignResponse, style: { paint: Paint; wide: boolean }): string[] {
  const { paint } = style;
  const lines = why.reasons.map(({ message }) => `${paint("why:", "yellow")} ${message}`);
  for (const { jobs, of } of alike(why.jobs)) {
    lines.push("", paint(jobs.length === 1 ? `job ${jobs[0]}` : `jobs ${jobs.join(", ")}`, "bold"));
    lines.push(`  shards   ${shards(of)}`);
    for (const { message } of of.reasons) lines.push(`  waits    ${message}`);
    lines.push(...nodes(of, style));
  }
  if (lines.length === 0) lines.push("nothing holds it back");
  return lines[0] === "" ? lines.slice(1) : lines;
}

function shards(job: JobExplanation): string {
  const parts: [number, string][] = [
    [job.shardsReady, "could start now"],
    [job.shardsBackingOff, "wait before they are tried again"],
    [job.shardsRunning, "on nodes"],
    [job.shardsDone, "done"],
  ];
  return parts.flatMap(([n, what]) => (n === 0 ? [] : [`${n} ${what}`])).join(", ") || "none yet";
}

/** Where attempts are, and what keeps the other nodes from taking those that wait. */
function nodes(job: JobExplanation, { paint, wide }: { paint: Paint; wide: boolean }): string[] {
  const placed = job.placements.map(({ node, attempts, why }) => ({
    nodes: node,
    what: `${attempts === 1 ? "runs 1" : `runs ${attempts}`}${why in WHY ? `: ${WHY[why]}` : ""}`,
    takes: true,
  }));
  const others = job.nodes.map(({ nodes, count, reason }) => ({
    nodes: names(nodes, count),
    what: reason?.message ?? "",
    takes: false,
  }));
  const rows = [...placed, ...others];
  const shown = wide ? rows : rows.slice(0, MAX_ROWS);
  if (shown.length === 0) return [];
  const lines = tableLines(
    [
      { title: "NODES", value: (row) => row.nodes },
      { title: "WHAT", value: (row) => row.what, color: (row) => (row.takes ? "green" : "yellow") },
    ],
    shown,
    { paint, indent: "  " },
  );
  const more = rows.length - shown.length;
  return more === 0 ? lines : [...lines, `  … ${more} more; -o wide shows all`];
}

/** Why the scheduler gave a shard to a node. */
const WHY: { [why: string]: string } = {
  no_load: "its model costs nothing to change to",
  stays: "the node stays on its model",
  loaded: "the model was loaded there",
  loads: "the node had no work for its model and loads this one",
  takes_over: "it was this campaign's turn, and the model is loaded for it",
  starved: "it had waited too long",
};

/** `a, b and 18 more`. */
function names(nodes: readonly string[], count: number): string {
  const more = count - nodes.length;
  return more > 0 ? `${nodes.join(", ")} and ${more} more` : nodes.join(", ");
}

/** Jobs whose explanation is the same but for their id and what is done; a lone one keeps its own counts. */
function alike(jobs: readonly JobExplanation[]): { jobs: string[]; of: JobExplanation }[] {
  const groups = new Map<string, { jobs: string[]; of: JobExplanation }>();
  for (const job of jobs) {
    const key = JSON.stringify({ ...job, jobId: "" });
    const group = groups.get(key);
    if (group) group.jobs.push(job.jobId);
    else groups.set(key, { jobs: [job.jobId], of: job });
  }
  return [...groups.values()];
}
