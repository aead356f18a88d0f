/**
 * Why a campaign is where it is, for people: what holds it as a whole, then per job where its shards are, why those
 * that wait do, and why each node takes none of them. Jobs that wait for the same thing are told together.
 */
import type { ExplainCampaignResponse, JobExplanation } from "../client.js";
import type { Paint } from "./color.js";
import { tableLines } from "./table.js";

const MAX_NODES = 12;

/** The lines below the campaign; `wide` shows every node. */
export function whyLines(why: ExplainCampaignResponse, style: { paint: Paint; wide: boolean }): string[] {
  const { paint } = style;
  const lines = why.reasons.map(({ message }) => `${paint("held:", "yellow")} ${message}`);
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

function nodes(job: JobExplanation, { paint, wide }: { paint: Paint; wide: boolean }): string[] {
  // Those that could take it are few and tell most.
  const sorted = [...job.nodes].sort((a, b) => Number(b.able) - Number(a.able));
  const shown = wide ? sorted : sorted.slice(0, MAX_NODES);
  if (shown.length === 0) return [];
  const rows = tableLines(
    [
      { title: "NODE", value: (n) => n.node },
      { title: "ABLE", value: (n) => (n.able ? "yes" : "no"), color: (n) => (n.able ? "green" : "yellow") },
      { title: "RUNS", align: "right", value: (n) => String(n.running) },
      { title: "WHY", value: (n) => n.reason?.message ?? "" },
    ],
    shown,
    { paint, indent: "  " },
  );
  const more = sorted.length - shown.length;
  return more === 0 ? rows : [...rows, `  … ${more} more nodes; -o wide shows all`];
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
