/**
 * Dataset resolution: a spec of a suite becomes items. Rows are read by the format's reader, then each becomes an item
 * (`row-to-item.ts`), its pictures are measured and hashed (`pictures.ts`) and its truth is checked (`truth-check.ts`).
 *
 * `max_images_per_sequence` takes effect here: the manifest holds only the pictures that are sent.
 *
 * A dataset that is not there is no error of its own: it has no items, says why in `absent`, and warns. What is there
 * and malformed is an error with file and line.
 */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Item } from "../benchmark/item.js";
import type { Sha256 } from "../benchmark/json.js";
import { fillInput, syntheticRows } from "../benchmark/load/synthetic.js";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";
import { errorText } from "../runtime/errors.js";
import { rowChooser } from "./choose-rows.js";
import { detectType } from "./detect-type.js";
import { escapeHint, type FilePlace, locate, type Near, outsideHint } from "./locate.js";
import { evenlySpaced, sampleOf } from "./pick.js";
import { createPictureReader, type MediaSource } from "./pictures.js";
import { readFolder } from "./read-folder.js";
import { readRowsFile } from "./read-rows.js";
import { readYolo } from "./read-yolo.js";
import { type Row, rowReader } from "./row.js";
import { takePictures } from "./table-pictures.js";
import { checkTruth } from "./truth-check.js";

export interface ResolveOptions {
  sha256: Sha256;
  /** Where paths lead. Absent: only inline items without pictures resolve. */
  files?: FilePlace;
  /** At most this many pictures an item, evenly spaced. */
  maxImages?: number;
  lineOf?: LineOf;
  /** Read for something else: what is wrong with single items is told by the other reading. */
  quiet?: boolean;
}

export interface ResolvedDataset {
  items: Item[];
  /** Pictures by SHA-256 (hex). */
  media: Map<string, MediaSource>;
  /** Where each item stands, by its id: `questions.jsonl line 7`. */
  places?: ReadonlyMap<string, string>;
  findings: Finding[];
  /** Ids of the spec that no row has. */
  missingIds?: string[];
  /** Why there is nothing to run. */
  absent?: string;
}

/** Resolves one dataset. Never throws for bad input. */
export async function resolveDataset(spec: DatasetSpec, options: ResolveOptions): Promise<ResolvedDataset> {
  const findings = new FindingList(options.lineOf ?? (() => 0));
  const media = new Map<string, MediaSource>();
  const source = await readOrRefuse(spec, options, findings);
  if (!source) return { items: [], media, findings: findings.all, absent: reasonOf(spec, findings) };

  const toItem = rowReader(spec, findings);
  const pictures = createPictureReader(options, spec.field, source.near, source.embedded, media, findings);
  const chooser = rowChooser(spec, source.splitDone, findings);
  const meant = source.rows.filter(chooser.means);
  chooser.close();
  const chosen = spec.sample ? sampleOf(meant, spec.sample.n, spec.sample.seed) : meant;
  const items: Item[] = [];
  const places = new Map<string, string>();
  for (const row of chosen) {
    const read = toItem(row);
    if (!read) continue;
    if (read.idIsImage && places.has(read.item.id)) read.item.id = `${read.item.id}#${row.ordinal}`;
    const first = places.get(read.item.id);
    if (first !== undefined) {
      findings.error(
        spec.field,
        `${row.place}: the item id ${JSON.stringify(read.item.id)} is already used at ${first}`,
      );
      continue;
    }
    places.set(read.item.id, row.place);
    const names =
      options.maxImages === undefined ? read.images : evenlySpaced(read.images, options.maxImages);
    for (const name of names) read.item.media.push(await pictures.read(name, read.item.id));
    if (read.item.media.length === 0) fillInput(read.item, row.ordinal);
    pictures.checkLabel(read.item, read.labelled);
    checkTruth(read.item, spec, findings);
    items.push(read.item);
  }
  pictures.close();
  const missingIds = chooser.missing();
  const found = { items, media, places, ...(missingIds.length > 0 && { missingIds }) };
  if (items.length > 0) return { ...found, findings: findings.all };
  const absent = `${spec.id} has no items`;
  if (!findings.all.some((finding) => finding.severity === "error"))
    findings.warning(spec.field, `${absent}: not run`);
  return { ...found, findings: findings.all, absent };
}

const notRun = ({ id }: DatasetSpec): string => `: dataset ${id} is not run`;

/** The last finding, which is why there is no source. */
function reasonOf(spec: DatasetSpec, findings: FindingList): string {
  const message = findings.all.at(-1)?.message ?? `${spec.id} is absent`;
  return message.endsWith(notRun(spec)) ? message.slice(0, -notRun(spec).length) : message;
}

const FOLDERS: ReadonlySet<string> = new Set(["sequences", "images", "yolo"]);

interface Source {
  rows: Row[];
  /** Where the dataset lies; pictures may be relative to it. */
  near?: Near;
  /** Pictures of the source itself, by the name that its rows have for them. */
  embedded: ReadonlyMap<string, Buffer>;
  /** It has only rows of the split that is asked for. */
  splitDone: boolean;
}

const WHOLE = { embedded: new Map<string, Buffer>(), splitDone: false };

/** What the file system refuses (permissions, a failing disk) is an error of the dataset. */
async function readOrRefuse(
  spec: DatasetSpec,
  options: ResolveOptions,
  findings: FindingList,
): Promise<Source | undefined> {
  try {
    return await readSource(spec, options, findings);
  } catch (error) {
    findings.error(spec.field, `${spec.path ?? spec.id} cannot be read: ${errorText(error)}`);
    return undefined;
  }
}

async function readSource(
  spec: DatasetSpec,
  options: ResolveOptions,
  findings: FindingList,
): Promise<Source | undefined> {
  const made = spec.items ?? (spec.synthetic && syntheticRows(spec.synthetic));
  if (made) {
    return {
      ...WHOLE,
      rows: made.map((value, index) => ({
        value,
        ordinal: index,
        place: `items[${index}]`,
      })),
    };
  }
  const path = spec.path ?? "";
  const located = options.files ? await locate(options.files, path) : undefined;
  if (!located?.ok) {
    const message = located?.message ?? `${path} was not sent along`;
    if (located?.reason === "escapes")
      findings.error(spec.field, message, options.files && escapeHint(options.files));
    else findings.warning(spec.field, `${message}${notRun(spec)}`);
    return undefined;
  }
  if (located.outside) {
    findings.warning(
      spec.field,
      `${path} lies outside of the suite's folder and will be read and uploaded: ${located.path}`,
      outsideHint,
    );
  }
  const kind = await stat(located.path);
  const isFolder = kind.isDirectory();
  if (!isFolder && !kind.isFile()) {
    findings.error(spec.field, `${path} is neither a file nor a folder`);
    return undefined;
  }
  const type = spec.type ?? (await detectType(located.path));
  if (type === undefined || type === "inline" || type === "synthetic") {
    findings.error(
      spec.field,
      `${path} is no kind of dataset that is known`,
      "give a folder, .json, .jsonl, .csv or .tsv, or say its type",
    );
    return undefined;
  }
  if (isFolder !== FOLDERS.has(type)) {
    findings.error(
      spec.field,
      `${path} is a ${isFolder ? "folder" : "file"}, which a dataset of type ${type} is not`,
    );
    return undefined;
  }
  if (isFolder) {
    const near = { folder: located.path, base: located.base };
    if (type !== "yolo")
      return { ...WHOLE, rows: await readFolder(located.path, path, type === "sequences"), near };
    const labelled = await readYolo(located.path, path, spec, findings);
    return labelled && { ...WHOLE, ...labelled, near };
  }
  const rows = await readRowsFile(located.path, path, type, spec, options.sha256, findings);
  const embedded = rows && type === "tsv" ? takePictures(rows, spec, findings) : WHOLE.embedded;
  return (
    rows &&
    embedded && { ...WHOLE, rows, embedded, near: { folder: dirname(located.path), base: located.base } }
  );
}
