/** Resolves every dataset of a suite: from ready manifests, inline items or files. */
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Item } from "../benchmark/item.js";
import type { DatasetSpec, Suite } from "../benchmark/suite/suite-types.js";
import { manifestBytes } from "../datasets/manifest.js";
import { limitPictures } from "../datasets/pick.js";
import { resolveDataset } from "../datasets/resolve-dataset.js";
import { sha256 } from "../runtime/hash.js";
import type { PreparedDataset, PrepareInput } from "./prepare-types.js";

/** One entry per dataset of the suite, in its order. It is an error if no dataset has items. */
export async function prepareDatasets(
  suite: Suite,
  input: Pick<PrepareInput, "files" | "manifests">,
  lineOf: LineOf,
): Promise<{ datasets: PreparedDataset[]; findings: Finding[] }> {
  const findings: Finding[] = [];
  const datasets: PreparedDataset[] = [];
  for (const spec of suite.datasets) {
    const one = await prepareOne(spec, suite, input, lineOf);
    datasets.push(one.dataset);
    findings.push(...one.findings);
  }
  if (datasets.every((dataset) => dataset.items.length === 0)) {
    const list = new FindingList(lineOf);
    list.error("datasets", "no dataset of the suite has items", "check the paths, or give --root");
    findings.push(...list.all);
  }
  return { datasets, findings };
}

async function prepareOne(
  spec: DatasetSpec,
  suite: Suite,
  input: Pick<PrepareInput, "files" | "manifests">,
  lineOf: LineOf,
): Promise<{ dataset: PreparedDataset; findings: Finding[] }> {
  const maxImages = suite.test.maxImagesPerSequence;
  const ready = input.manifests?.get(spec.id);
  if (ready) {
    const items = ready.items.map((item) => limitPictures(item, maxImages));
    const findings = (ready.findings ?? []).map((finding) => ({ ...finding, line: lineOf(spec.field) }));
    return { dataset: datasetOf(spec, items, new Map()), findings };
  }
  const resolved = await resolveDataset(spec, {
    sha256,
    lineOf,
    ...(input.files && { files: input.files }),
    ...(maxImages !== undefined && { maxImages }),
  });
  return {
    dataset: datasetOf(spec, resolved.items, resolved.media, resolved.absent),
    findings: resolved.findings,
  };
}

function datasetOf(
  spec: DatasetSpec,
  items: Item[],
  media: Map<string, string>,
  absent?: string,
): PreparedDataset {
  const manifest = manifestBytes(items);
  return {
    id: spec.id,
    items,
    manifest,
    sha256: sha256(manifest),
    media,
    ...(absent !== undefined && { absent }),
  };
}
