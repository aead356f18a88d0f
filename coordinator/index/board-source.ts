/** Ended campaigns of the board as sources of the index: what counts is what their manifests name. */
import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { canonicalJson, type Json } from "../../shared/benchmark/json.js";
import { ordinalAt } from "../../shared/benchmark/plan.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { type Board, type CampaignEntry, type JobEntry, rangeOf } from "../campaigns/board.js";
import type { StreamedResults } from "../results/streamed-results.js";
import type { DoneValue } from "../store/values.js";
import type { CampaignSource, JobSource } from "./source.js";

export interface SourceParts {
  board: Board;
  results: Pick<StreamedResults, "linesOf">;
  artifacts: ArtifactStore;
}

const DEFAULT_TENANT = "default";

/** Rejects with what reading its plan and manifests rejects with. */
export async function sourceOf(parts: SourceParts, entry: CampaignEntry): Promise<CampaignSource> {
  await parts.board.loaded(entry);
  // The board forgets the jobs of ended campaigns when others are asked for: a copy keeps them.
  const kept = { ...entry };
  const { id, name, tenant, state, retryOf, createdMs, suiteSha256 } = kept.value;
  return {
    facts: {
      ...{ id, name, retryOf, createdMs, suiteSha256, state: state.kind },
      ...{ tenant: tenant ?? DEFAULT_TENANT, endedMs: kept.endedMs ?? state.sinceMs },
    },
    jobs: kept.jobs.map((job) => jobSource(parts, kept, job)),
    summary: () => storedSummary(parts.artifacts, id),
  };
}

function jobSource(parts: SourceParts, entry: CampaignEntry, job: JobEntry): JobSource {
  const { spec } = job;
  const shards = [...job.done].filter(([, done]) => done.kind !== "split").sort(([a], [b]) => a - b);
  return {
    cell: {
      ...{ campaign: entry.value.id, job: spec.id, manifestSha256: job.manifestSha256 ?? "" },
      ...{ model: spec.model.id, engine: spec.model.engine },
      ...{ prompt: spec.prompt.id, promptSha256: spec.prompt.sha256 },
      ...{ dataset: spec.dataset.id, datasetSha256: spec.dataset.manifestSha256 },
      settings: canonicalJson(JSON.parse(JSON.stringify(spec.generation)) as Json),
      ...{ repetitions: spec.repetitions, planned: spec.samples },
    },
    shards: shards.length,
    async read(at) {
      const [index, done] = shards[at] as [number, DoneValue];
      if (job.unreadable !== undefined) throw new SaiError("internal", job.unreadable);
      const { first, count } = rangeOf(job, index);
      const samples =
        spec.retry === undefined
          ? { first, count }
          : Array.from({ length: count }, (_, i) => ordinalAt(spec, first + i));
      return { index, samples, lines: await parts.results.linesOf(entry, job, index, done) };
    },
  };
}

/** What was stored at its end; a campaign that ended without a plan has none. */
async function storedSummary(artifacts: ArtifactStore, campaign: string): Promise<Summary | undefined> {
  try {
    const bytes = await artifacts.get(`run/${campaign}/summary.json`);
    return JSON.parse(bytes.toString("utf8")) as Summary;
  } catch (error) {
    if (error instanceof SaiError && error.code === "not_found") return undefined;
    throw error; // away, or no JSON: the second one is the campaign's problem
  }
}
