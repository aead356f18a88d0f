/**
 * Is every sample there, once? Answered from what is on the disks (state store, job manifests, records files, journals)
 * and not from any count that the program keeps.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Value } from "../support/etcd-eyes.js";
import type { Campaign } from "./campaigns.js";
import { below } from "./state-on-disk.js";
import { seen } from "./waiting.js";
import type { World } from "./world.js";

interface Done {
  index: number;
  kind: "result" | "failed" | "split";
  fence?: string;
  uri?: string;
  sha256?: string;
  sizeBytes?: number;
  inline?: string;
  counts?: { [status: string]: number };
  reason?: string;
}

interface Sample {
  campaign: string;
  job: string;
  shard: number;
  attempt: string;
  ordinal: number;
  item_id: string;
  status: string;
  output?: string;
}

export interface Verified {
  /** Whose records count, by `<job>/<shard>`. */
  fences: Map<string, string>;
  samples: number;
  /** Records files that no manifest names: attempts that lost. */
  strays: number;
}

/** Throws with everything that is wrong with an ended campaign. */
export async function verify(world: World, campaign: Campaign): Promise<Verified> {
  const { id } = campaign;
  const faults: string[] = [];
  const gone = () => {
    const journals = world.journals
      .left()
      .filter((name) => name.endsWith(".jsonl") || name.includes("damaged"));
    return journals.length === 0;
  };
  await seen({
    what: "no journal is left",
    ask: gone,
    progress: () => world.journals.left(),
    fault: () => world.faults(),
    stallMs: 30_000,
  });
  const state = await seen({
    what: "the campaign's shard records are gone",
    ask: async () => {
      const now = await world.readState();
      return openKeys(now, id).length === 0 && now;
    },
    progress: () => undefined,
    stallMs: 15_000,
  });
  const ended = state.get(`campaign/${id}`)?.["state"] as { kind?: string } | undefined;
  if (ended?.kind !== "SUCCEEDED") faults.push(`the store has campaign ${id} as ${ended?.kind}`);

  const jobs = below(state, `job/${id}/`);
  if (jobs.length !== campaign.jobs) faults.push(`the store has ${jobs.length} jobs of ${campaign.jobs}`);
  const found: Verified = { fences: new Map(), samples: 0, strays: 0 };
  const named = new Set<string>();
  for (const [job, value] of jobs) {
    const times = new Map<number, number>();
    for (const done of manifestOf(world, value)) {
      if (done.kind === "split") continue;
      if (done.kind === "failed") {
        faults.push(`${job}/${done.index} was given up: ${done.reason}`);
        continue;
      }
      found.fences.set(`${job}/${done.index}`, done.fence ?? "");
      if (done.uri) named.add(done.uri);
      for (const sample of recordsOf(world, done, faults, `${job}/${done.index}`)) {
        times.set(sample.ordinal, (times.get(sample.ordinal) ?? 0) + 1);
        const wrong = whatIsWrong(sample, {
          campaign: id,
          job,
          shard: done.index,
          attempt: done.fence ?? "",
        });
        const answer = wrong ?? campaign.wrong(sample);
        if (answer !== undefined) faults.push(`${job}/${done.index}: ${answer}`);
      }
    }
    for (let ordinal = 0; ordinal < campaign.samples; ordinal += 1) {
      const n = times.get(ordinal) ?? 0;
      if (n === 0) faults.push(`${job}: sample ${ordinal} is lost`);
      if (n > 1) faults.push(`${job}: sample ${ordinal} is there ${n} times`);
    }
    for (const ordinal of times.keys()) {
      if (ordinal >= campaign.samples) faults.push(`${job}: sample ${ordinal} is no sample of it`);
    }
    found.samples += times.size;
  }
  found.strays = recordsFiles(world, id).filter((uri) => !named.has(uri)).length;
  await compareWithApi(world, campaign, found, faults);
  if (faults.length > 0) throw new Error(faults.slice(0, 20).join("\n"));
  return found;
}

/** Keys of a campaign that has not been sealed. */
const openKeys = (state: ReadonlyMap<string, Value>, id: string): string[] =>
  [...state.keys()].filter((key) => /^(gate|done|fail)\//.test(key) && key.split("/")[1] === id);

/** Shard by shard what counts. */
function manifestOf(world: World, job: Value): Done[] {
  const hash = String(job["manifestSha256"]);
  const bytes = readFileSync(join(world.artifacts, "cas/sha256", hash.slice(0, 2), hash));
  if (sha256(bytes) !== hash) throw new Error(`the manifest ${hash} has other bytes`);
  const [head = "", ...lines] = bytes.toString("utf8").trimEnd().split("\n");
  const whole = JSON.parse(head) as { shards?: Done[] };
  return whole.shards ?? lines.map((line) => JSON.parse(line) as Done);
}

function recordsOf(world: World, done: Done, faults: string[], where: string): Sample[] {
  const bytes =
    done.inline === undefined
      ? readFileSync(join(world.artifacts, String(done.uri)))
      : Buffer.from(done.inline, "base64");
  if (sha256(bytes) !== done.sha256) {
    const size = `${bytes.length} bytes of ${done.sizeBytes}`;
    faults.push(`${where}: its records have another hash than its done record says, ${size}`);
    return [];
  }
  if (bytes.length !== done.sizeBytes) faults.push(`${where}: ${bytes.length} bytes of ${done.sizeBytes}`);
  const text = bytes.toString("utf8");
  const samples = text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Sample]));
  const counted = Object.values(done.counts ?? {}).reduce((sum, n) => sum + n, 0);
  if (counted !== samples.length) faults.push(`${where}: ${samples.length} records, counted as ${counted}`);
  return samples;
}

function whatIsWrong(
  sample: Sample,
  of: Pick<Sample, "campaign" | "job" | "shard" | "attempt">,
): string | undefined {
  if (sample.status !== "ok") return `sample ${sample.ordinal} is ${sample.status}`;
  for (const [field, value] of Object.entries(of)) {
    const said = sample[field as keyof typeof of];
    if (said !== value) return `sample ${sample.ordinal} says ${field} ${said}, and lies in ${value}`;
  }
  return undefined;
}

/** Keys of all records files that were ever stored for a campaign. */
function recordsFiles(world: World, id: string): string[] {
  const folder = join(world.artifacts, "run", id);
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("records.jsonl"))
    .map((name) => `run/${id}/${name}`);
}

/** What people are shown is what is on the disk. */
async function compareWithApi(
  world: World,
  { id }: Campaign,
  found: Verified,
  faults: string[],
): Promise<void> {
  const shown = await world.api.records(id);
  if (shown.length !== found.samples) faults.push(`people see ${shown.length} records of ${found.samples}`);
  for (const { job, shard, attempt, ordinal } of shown) {
    if (found.fences.get(`${job}/${shard}`) !== attempt)
      faults.push(`people see ${job} ${ordinal} of ${attempt}`);
  }
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
