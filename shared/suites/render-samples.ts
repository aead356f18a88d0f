import { canonicalJson } from "../benchmark/json.js";
import type { JobSpec } from "../benchmark/plan.js";
import { renderMessages } from "../benchmark/template.js";
import type { PreparedDataset, RenderedSample } from "./prepare-types.js";

/**
 * The first `n` messages as engines would get them: the first item of every job, then the second of every job, and so
 * on, so that a few show every prompt. Messages that cannot be rendered are left out; the findings name them.
 */
export function renderSamples(
  jobs: readonly JobSpec[],
  datasets: readonly PreparedDataset[],
  n: number,
): RenderedSample[] {
  const samples: RenderedSample[] = [];
  const most = Math.max(0, ...jobs.map((job) => job.dataset.items));
  for (let index = 0; index < most; index++) {
    for (const job of jobs) {
      if (samples.length >= n) return samples;
      const item = datasets.find((dataset) => dataset.id === job.dataset.id)?.items[index];
      const sample = item && renderOne(job, item);
      if (sample) samples.push(sample);
    }
  }
  return samples;
}

function renderOne(job: JobSpec, item: PreparedDataset["items"][number]): RenderedSample | undefined {
  try {
    const { system = "", user } = renderMessages(job.prompt, item);
    const target = item.target ?? (item.truth === undefined ? undefined : item.truth);
    return {
      model: job.model.id,
      prompt: job.prompt.id,
      dataset: job.dataset.id,
      item: item.id,
      system,
      user,
      images: item.media.map((media) => media.name),
      target: target === undefined ? "" : canonicalJson(target),
    };
  } catch {
    return undefined;
  }
}
