import { type ArtifactStore, getCas } from "../../shared/artifacts/store.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { JobSpec, Plan } from "../../shared/benchmark/plan.js";
import { answersKey, parseAnswers, pieceOf } from "../../shared/datasets/answers.js";
import { parseManifest } from "../../shared/datasets/manifest.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { ForeignVersion } from "../../shared/runtime/foreign-version.js";
import type { BlobCache } from "../artifacts/blob-cache.js";
import { Kept } from "./kept.js";

const PLANS_KEPT = 8;
const MANIFESTS_KEPT = 8;
const MEDIA_BYTES_KEPT = 64 * 1024 * 1024;

/** What attempts need, fetched by hash, verified, and kept for the next attempt of the same job. */
export class Inputs {
  private readonly plans = new Kept<Plan>(PLANS_KEPT, () => 1);
  private readonly manifests = new Kept<Item[]>(MANIFESTS_KEPT, () => 1);
  private readonly media = new Kept<Buffer>(MEDIA_BYTES_KEPT, (bytes) => bytes.byteLength);

  /** `cache` keeps what was fetched over restarts; without one only memory does. */
  constructor(
    private readonly artifacts: ArtifactStore,
    private readonly cache?: BlobCache,
  ) {}

  /** A job of a plan. Throws not_found, and ForeignVersion. */
  async job(planSha256: string, id: string): Promise<JobSpec> {
    const plan = await this.plans.get(planSha256, async () => {
      const found: Plan = JSON.parse((await this.fetch(planSha256)).toString("utf8"));
      if (found.v !== 1) throw new ForeignVersion(`the plan ${planSha256}`, found.v, [1]);
      return found;
    });
    const job = plan.jobs.find((candidate) => candidate.id === id);
    if (job === undefined) throw new SaiError("not_found", `the plan ${planSha256} has no job ${id}`);
    return job;
  }

  /** All items of a job's dataset. */
  items(job: JobSpec): Promise<Item[]> {
    const { manifestSha256 } = job.dataset;
    return this.manifests.get(manifestSha256, async () => parseManifest(await this.fetch(manifestSha256)));
  }

  /** What there is of the answers that a judge job's samples are about, by ordinal. Throws internal for what is damaged. */
  async answers(campaign: string, { judge, shardSize, retry }: JobSpec, ordinals: readonly number[]) {
    const pieces = new Set(ordinals.map((ordinal) => pieceOf(ordinal, shardSize)));
    const found = new Map<number, string>();
    // A retry judges what its campaign answered, and what was answered before.
    for (const from of retry ? [retry.campaign, campaign] : [campaign]) {
      for (const piece of pieces) {
        const key = answersKey(from, judge?.of ?? "", piece);
        const bytes = await this.artifacts.get(key).catch((error: unknown) => {
          if (error instanceof SaiError && error.code === "not_found") return undefined;
          throw error;
        });
        if (bytes) for (const [ordinal, text] of parseAnswers(bytes, key)) found.set(ordinal, text);
      }
    }
    return found;
  }

  blob(sha256: string): Promise<Buffer> {
    return this.media.get(sha256, () => this.fetch(sha256));
  }

  private fetch(sha256: string): Promise<Buffer> {
    const fetch = () => getCas(this.artifacts, sha256);
    return this.cache?.get(sha256, fetch) ?? fetch();
  }
}
