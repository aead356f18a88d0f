/** What is counted after a run: what agents ran, and what the sealed manifests have. */
import { createReadStream, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Runs } from "../fleet/agents.js";

export interface Counted {
  /** Shards that some agent ran, and those that more than one attempt ran: after a failover, or as a straggler's duplicate. */
  ran: number;
  ranTwice: number;
  /** Shards with a record in a manifest, and those with more than one. */
  recorded: number;
  recordedTwice: number;
}

/** Adds up what the agents' processes ran. */
export function countRuns(all: readonly Runs[]): Pick<Counted, "ran" | "ranTwice"> {
  const sums = new Map<string, Uint32Array>();
  for (const runs of all)
    for (const [job, text] of Object.entries(runs)) {
      const counts = Buffer.from(text, "base64");
      const before = sums.get(job) ?? new Uint32Array(0);
      const sum = new Uint32Array(Math.max(counts.length, before.length));
      sum.set(before);
      for (const [i, n] of counts.entries()) sum[i] = (sum[i] ?? 0) + n;
      sums.set(job, sum);
    }
  const each = [...sums.values()].flatMap((sum) => [sum]);
  const countOf = (test: (n: number) => boolean) =>
    each.reduce((total, sum) => total + sum.reduce((found, n) => found + Number(test(n)), 0), 0);
  return { ran: countOf((n) => n > 0), ranTwice: countOf((n) => n > 1) };
}

/**
 * Reads every manifest below an artifact store's folder. A shard is known by its campaign, job and number in all of them,
 * so that two manifests of one job that differ are seen.
 */
export async function countRecords(artifacts: string): Promise<Pick<Counted, "recorded" | "recordedTwice">> {
  const jobs = new Map<string, Map<number, number>>();
  for (const entry of readdirSync(artifacts, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const job = entry.isFile() ? await jobOf(path) : undefined;
    if (job === undefined) continue;
    const times = jobs.get(job) ?? new Map<number, number>();
    jobs.set(job, times);
    for await (const line of createInterface(createReadStream(path))) {
      const index = Number(/"index":(\d+)/.exec(line.replace(/"inline":"[^"]*"/, ""))?.[1] ?? Number.NaN);
      if (!Number.isNaN(index)) times.set(index, (times.get(index) ?? 0) + 1);
    }
  }
  let recorded = 0;
  let recordedTwice = 0;
  for (const times of jobs.values()) {
    recorded += times.size;
    for (const n of times.values()) if (n > 1) recordedTwice += 1;
  }
  return { recorded, recordedTwice };
}

/** The first line of a manifest, which names its campaign and job; undefined for any other file. */
async function jobOf(path: string): Promise<string | undefined> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    const text = buffer.toString("utf8", 0, bytesRead);
    return /^\{"campaign":"[^"]*","job":"[^"]*","v":1\}(?=\n)/.exec(text)?.[0];
  } finally {
    await file.close();
  }
}
