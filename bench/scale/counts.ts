/** What is counted after a run: what agents ran, and what the sealed manifests have. */
import { createReadStream, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Runs } from "../fleet/agents.js";

export interface Counted {
  /** Shards that some agent ran, and those that more than one attempt ran. */
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

/** Reads every manifest below an artifact store's folder. */
export async function countRecords(artifacts: string): Promise<Pick<Counted, "recorded" | "recordedTwice">> {
  let recorded = 0;
  let recordedTwice = 0;
  for (const entry of readdirSync(artifacts, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isFile() || !(await isManifest(path))) continue;
    const seen = new Set<number>();
    for await (const line of createInterface(createReadStream(path))) {
      const index = Number(/"index":(\d+)/.exec(line.replace(/"inline":"[^"]*"/, ""))?.[1] ?? Number.NaN);
      if (Number.isNaN(index)) continue;
      if (seen.has(index)) recordedTwice += 1;
      seen.add(index);
    }
    recorded += seen.size;
  }
  return { recorded, recordedTwice };
}

async function isManifest(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    return /^\{"campaign":"[^"]*","job":"[^"]*","v":1\}\n/.test(buffer.toString("utf8", 0, bytesRead));
  } finally {
    await file.close();
  }
}
