/**
 * Resolves every dataset of a suite: from ready manifests, inline items or files.
 *
 * A client that sends manifests has looked at all the paths on its own machine. A dataset it did not send may lie on the
 * coordinator; if it does not either, it is not run, and where its path would have led here is nobody's concern.
 */
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Item } from "../benchmark/item.js";
import { scenariosOf } from "../benchmark/scenarios.js";
import type { DatasetSpec, Suite } from "../benchmark/suite/suite-types.js";
import { type FilePlace, locate } from "../datasets/locate.js";
import { manifestBytes } from "../datasets/manifest.js";
import { limitPictures } from "../datasets/pick.js";
import type { MediaSource } from "../datasets/pictures.js";
import { resolveDataset } from "../datasets/resolve-dataset.js";
import { sha256 } from "../runtime/hash.js";
import { fewShots } from "./few-shot.js";
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
  findings.push(...missingItems(suite, datasets, lineOf));
  findings.push(...addScenarios(suite, datasets, lineOf));
  if (datasets.every((dataset) => dataset.items.length === 0)) {
    const list = new FindingList(lineOf);
    list.error("datasets", `no dataset of the suite has items: ${reasons(datasets)}`, hintFor(input.files));
    findings.push(...list.all);
  }
  return { datasets, findings };
}

/** An item that is asked for must be in one of the datasets it is asked of; in the others it may be absent. */
function missingItems(suite: Suite, datasets: readonly PreparedDataset[], lineOf: LineOf): Finding[] {
  const findings = new FindingList(lineOf);
  const asked = suite.datasets.filter(({ ids }) => ids !== undefined);
  const told = new Set<string>();
  for (const spec of asked) {
    const nowhere = (id: string): boolean =>
      asked
        .filter(({ ids }) => ids?.includes(id))
        .every((other) => datasets.find((d) => d.id === other.id)?.missingIds?.includes(id));
    const missing = (datasets.find((d) => d.id === spec.id)?.missingIds ?? []).filter(
      (id) => !told.has(id) && nowhere(id),
    );
    for (const id of missing) told.add(id);
    if (missing.length > 0)
      findings.error(
        `${spec.field}.ids`,
        `the dataset ${spec.id} has no item ${missing.slice(0, 10).join(", ")}`,
        "ids are those in records and messages",
      );
  }
  return findings.all;
}

/** Which items the scenarios are about; a warning for each that is about none. */
function addScenarios(suite: Suite, datasets: readonly PreparedDataset[], lineOf: LineOf): Finding[] {
  const findings = new FindingList(lineOf);
  if (suite.scenarios === undefined) return [];
  for (const dataset of datasets) dataset.scenarios = scenariosOf(suite.scenarios, dataset.id, dataset.items);
  if (datasets.every(({ items }) => items.length === 0)) return [];
  for (const { field, name, expected } of suite.scenarios) {
    if (expected.length === 0 || datasets.some((d) => d.scenarios?.some((found) => found.name === name)))
      continue;
    const hint = "filter_conditions name columns of the items, or keys of their truth";
    findings.warning(field, `no item is of the scenario ${JSON.stringify(name)}: not checked`, hint);
  }
  return findings.all;
}

/** Most datasets whose reasons are told. */
const MAX_REASONS = 10;

function reasons(datasets: readonly PreparedDataset[]): string {
  const told = datasets.slice(0, MAX_REASONS).map(({ id, absent = `${id} has no items` }) => absent);
  const more = datasets.length - told.length;
  return [...new Set(told), ...(more > 0 ? [`${more} more`] : [])].join("; ");
}

function hintFor(files: FilePlace | undefined): string {
  if (files?.kind === "local") {
    return files.root === undefined ? "check the paths, or give --root" : "check the paths and --root";
  }
  return "send each dataset's items along as an input, as `sai apply` does, or put its files below the coordinator's storage.datasets_dir";
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
    const findings = new FindingList(lineOf);
    for (const warning of ready.warnings ?? []) findings.warning(spec.field, warning);
    return { dataset: datasetOf(spec, items, new Map()), findings: findings.all };
  }
  if (await isNowhere(spec, input)) {
    const findings = new FindingList(lineOf);
    const absent = `${spec.path} was not sent along`;
    findings.warning(spec.field, `${absent}: dataset ${spec.id} is not run`);
    return { dataset: datasetOf(spec, [], new Map(), absent), findings: findings.all };
  }
  const options = {
    sha256,
    lineOf,
    ...(input.files && { files: input.files }),
    ...(maxImages !== undefined && { maxImages }),
  };
  const resolved = await resolveDataset(spec, options);
  const { fewshot } = suite;
  const shots =
    fewshot && resolved.items.length > 0 ? await fewShots(fewshot, spec, options, lineOf) : undefined;
  const items = shots?.add ? resolved.items.map(shots.add) : resolved.items;
  return {
    dataset: {
      ...datasetOf(spec, items, resolved.media, resolved.absent),
      ...(resolved.places && { places: resolved.places }),
      ...(resolved.missingIds && { missingIds: resolved.missingIds }),
    },
    findings: [...resolved.findings, ...(shots?.findings ?? [])],
  };
}

async function isNowhere(
  { path }: DatasetSpec,
  { files, manifests }: Pick<PrepareInput, "files" | "manifests">,
): Promise<boolean> {
  const fromClient = files?.kind === "within" && manifests !== undefined && manifests.size > 0;
  return fromClient && path !== undefined && !(await locate(files, path)).ok;
}

function datasetOf(
  spec: DatasetSpec,
  items: Item[],
  media: Map<string, MediaSource>,
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
