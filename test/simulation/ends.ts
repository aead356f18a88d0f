/** Whether an ended campaign has exactly one record of every sample, in files that are really there. */
import type { JobEntry } from "../../coordinator/campaigns/board.js";
import { parseJobManifest } from "../../coordinator/campaigns/manifest.js";
import type { CampaignValue, DoneValue } from "../../coordinator/store/values.js";
import { casKey } from "../../shared/artifacts/store.js";
import { ordinalAt } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { type ShardRange, shardRange } from "../../shared/domain/sharding.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { SimulatedFleet } from "./fleet.js";

type Sealed = DoneValue & { index: number };

/** What is wrong with a campaign that has ended; undefined if nothing is. */
export function sealedProblem(fleet: SimulatedFleet, campaign: CampaignValue): string | undefined {
  const entry = fleet.leader?.board.campaign(campaign.id);
  if (entry === undefined) return "the leader does not know it";
  for (const job of entry.jobs) {
    const problem = jobProblem(fleet, campaign, job);
    if (problem !== undefined) return `job ${job.spec.id} is ${job.state.kind}: ${problem}`;
  }
  return undefined;
}

function jobProblem(
  fleet: SimulatedFleet,
  { id, state, stopped }: CampaignValue,
  job: JobEntry,
): string | undefined {
  const { spec } = job;
  const value = fleet.invariants.store.jobs.get(`${id}/${spec.id}`);
  const manifestSha256 = value?.manifestSha256;
  // Whoever cancels or refuses before anything was planned leaves nothing to seal.
  if (value === undefined && state.kind === "CANCELLED") return undefined;
  if (manifestSha256 === undefined) return "it has no manifest";
  const manifest = fleet.artifacts.blobs.get(casKey(manifestSha256));
  if (manifest === undefined) return "its manifest is not there";
  const ranges = new Map<number, ShardRange>();
  const seen = new Set<number>();
  for (const [index, done] of parseJobManifest(manifest, manifestSha256)) {
    const shard: Sealed = { index, ...done };
    const committed = fleet.invariants.store.done.get(`${id}/${spec.id}/${shard.index}`);
    if (committed?.kind !== shard.kind) return `shard ${shard.index} is ${shard.kind}, not as committed`;
    if (shard.kind === "split") {
      for (const child of shard.children) ranges.set(child.index, child);
      continue;
    }
    const range = ranges.get(shard.index) ?? shardRange(shard.index, spec.samples, spec.shardSize);
    const own = Array.from({ length: range.count }, (_, i) => ordinalAt(spec, range.first + i));
    const ordinals = shard.kind === "failed" ? own : recorded(fleet, shard);
    if (typeof ordinals === "string") return ordinals;
    if (ordinals.join() !== own.join())
      return `shard ${shard.index} has records of ${ordinals}, not of ${own}`;
    for (const ordinal of ordinals) {
      if (seen.has(ordinal)) return `sample ${ordinal} has two records`;
      seen.add(ordinal);
    }
  }
  const cut = job.state.kind === "CANCELLED" || stopped !== undefined;
  const whole = cut || seen.size === spec.samples;
  return whole ? undefined : `${seen.size} of ${spec.samples} samples have a record`;
}

/** Ordinals of the records of a committed shard, or what is wrong with them. */
function recorded(fleet: SimulatedFleet, shard: Sealed & { kind: "result" }): number[] | string {
  const file = shard.inline === undefined ? fleet.artifacts.blobs.get(shard.uri) : Buffer.from(shard.inline);
  if (file === undefined) return `the records of ${shard.fence} are not there`;
  if (sha256(file) !== shard.sha256) return `the records of ${shard.fence} are not what was committed`;
  return file
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as ResultRecord).ordinal);
}
