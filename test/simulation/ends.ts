/** Whether an ended campaign has exactly one record of every sample, in files that are really there. */

import { parseJobManifest } from "../../coordinator/campaigns/manifest.js";
import type { CampaignValue, DoneValue } from "../../coordinator/store/values.js";
import { casKey } from "../../shared/artifacts/store.js";
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
    const { samples, shardSize } = job.spec;
    const state = job.state.kind;
    if (job.manifestSha256 === undefined) {
      if (state === "CANCELLED" && job.gate === 0n) continue;
      return `job ${job.spec.id} is ${state} without a manifest`;
    }
    const manifest = fleet.artifacts.blobs.get(casKey(job.manifestSha256));
    if (manifest === undefined) return `the manifest of job ${job.spec.id} is not there`;
    const seen = new Set<number>();
    const ranges = new Map<number, ShardRange>();
    for (const [index, done] of parseJobManifest(manifest, job.manifestSha256)) {
      const shard: Sealed = { index, ...done };
      const committed = fleet.invariants.store.done.get(`${campaign.id}/${job.spec.id}/${shard.index}`);
      if (committed?.kind !== shard.kind)
        return `shard ${shard.index} is sealed as ${shard.kind}, not as committed`;
      if (shard.kind === "split") {
        for (const child of shard.children) ranges.set(child.index, child);
        continue;
      }
      const range = ranges.get(shard.index) ?? shardRange(shard.index, samples, shardSize);
      const ordinals =
        shard.kind === "failed" ? [...numbers(range.first, range.count)] : ordinalsOf(fleet, shard);
      if (typeof ordinals === "string") return ordinals;
      for (const ordinal of ordinals) {
        if (seen.has(ordinal)) return `sample ${ordinal} of job ${job.spec.id} has two records`;
        seen.add(ordinal);
      }
    }
    if (state !== "CANCELLED" && seen.size !== samples)
      return `job ${job.spec.id} is ${state} with ${seen.size} of ${samples} samples`;
  }
  return undefined;
}

function ordinalsOf(fleet: SimulatedFleet, shard: Sealed & { kind: "result" }): number[] | string {
  const file =
    shard.inline === undefined ? fleet.artifacts.blobs.get(shard.uri) : Buffer.from(shard.inline, "base64");
  if (file === undefined) return `the records of ${shard.fence} are not there`;
  if (sha256(file) !== shard.sha256) return `the records of ${shard.fence} are not what was committed`;
  return file
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as ResultRecord).ordinal);
}

function* numbers(first: number, count: number): Generator<number> {
  for (let n = first; n < first + count; n++) yield n;
}
