/**
 * Pictures with YOLO labels (https://docs.ultralytics.com/datasets/detect/): `images/` and `labels/` side by side, or both kinds in
 * one folder; of each picture a text file of its name with a line `class xc yc w h` for each object, in shares of the picture.
 * An empty file means that there is nothing to see, and so does none, as in YOLO; how many have none is said.
 *
 * The truth of an item is {boxes: [{label, bbox}], objects, total_objects, categories}, and has_smoke with the largest of its
 * boxes as bbox where a class is called smoke, or where classes have no names.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, relative } from "node:path";
import type { FindingList } from "../benchmark/finding.js";
import type { Json } from "../benchmark/json.js";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";
import { isPicture, natural } from "./read-folder.js";
import type { Row } from "./row.js";

interface Labelled {
  label: string;
  bbox: [number, number, number, number];
}

/** The rows of a folder, or undefined when its labels cannot be used. `shown` is its path as the suite has it. */
export async function readYolo(
  folder: string,
  shown: string,
  spec: DatasetSpec,
  findings: FindingList,
): Promise<{ rows: Row[]; splitDone: boolean } | undefined> {
  for (const [key, path] of [
    ["labels_path", spec.yolo?.labelsPath],
    ["classes", typeof spec.yolo?.classes === "string" ? spec.yolo.classes : undefined],
    ["split", spec.split],
  ] as const)
    if (path !== undefined && (isAbsolute(path) || path.split(/[\\/]/).includes(".."))) {
      findings.error(`${spec.field}.${key}`, `${JSON.stringify(path)} leads out of the dataset's folder`);
      return undefined;
    }
  const sub = (await isFolder(join(folder, "images"))) ? "images" : "";
  const splitDone = spec.split !== undefined && (await isFolder(join(folder, sub, spec.split)));
  const pictures = join(folder, sub, splitDone ? (spec.split ?? "") : "");
  const labels = await labelFolder(folder, pictures, sub, spec);
  if (!(await isFolder(labels))) {
    const hint = "labels_path names their folder, below the dataset's";
    findings.error(
      spec.field,
      `${shown} has no labels: there is no folder ${relative(folder, labels)}`,
      hint,
    );
    return undefined;
  }
  const classes = await classNames(folder, labels, shown, spec, findings);
  if (classes === undefined) return undefined;
  const names = (await readdir(pictures)).filter(isPicture).sort(natural.compare);
  const rows: Row[] = [];
  let [bad, unlabelled] = [0, 0];
  for (const name of names) {
    const file = join(labels, `${basename(name, extname(name))}.txt`);
    const text = await textOf(file);
    if (text === undefined) unlabelled += 1;
    const boxes: Labelled[] = [];
    (text ?? "").split(/\r?\n/).forEach((line, index) => {
      if (line.trim() === "") return;
      const box = boxOf(line, classes);
      if (typeof box !== "string") boxes.push(box);
      else if (++bad <= 10)
        findings.error(spec.field, `${join(shown, relative(folder, file))} line ${index + 1}: ${box}`);
    });
    rows.push({
      ordinal: rows.length,
      place: join(shown, relative(folder, join(pictures, name))),
      value: {
        id: name,
        images: [relative(folder, join(pictures, name))],
        ground_truth: truthOf(boxes, classes),
      },
    });
  }
  if (bad > 10) findings.error(spec.field, `${shown}: ${bad - 10} more lines of labels are wrong`);
  if (unlabelled > 0 && bad === 0)
    findings.warning(
      spec.field,
      `${shown}: ${unlabelled} of ${names.length} pictures have no label file; there is nothing to see in them, as YOLO has it`,
    );
  return bad === 0 ? { rows, splitDone } : undefined;
}

/** `images/train` has its labels in `labels/train`; pictures without such a folder have them beside them. */
async function labelFolder(
  folder: string,
  pictures: string,
  sub: string,
  spec: DatasetSpec,
): Promise<string> {
  const within = relative(join(folder, sub), pictures);
  const named = spec.yolo?.labelsPath ?? (sub === "" ? undefined : "labels");
  if (named !== undefined) {
    const split = join(folder, named, within);
    return (await isFolder(split)) ? split : join(folder, named);
  }
  const beside = join(folder, "labels", within);
  return (await isFolder(beside)) ? beside : pictures;
}

/** As the suite has them, or a line each of `classes.txt` in the folder or above the labels; none is no error. */
async function classNames(
  folder: string,
  labels: string,
  shown: string,
  { yolo, field }: DatasetSpec,
  findings: FindingList,
): Promise<readonly string[] | undefined> {
  if (Array.isArray(yolo?.classes)) return yolo.classes;
  const named = typeof yolo?.classes === "string" ? yolo.classes : undefined;
  const places = named === undefined ? [folder, labels, dirname(labels)] : [folder];
  for (const place of places) {
    const text = await textOf(join(place, named ?? "classes.txt"));
    if (text === undefined) continue;
    const lines = text.split(/\r?\n/).map((line) => line.trim());
    return lines.slice(0, lines.findLastIndex((line) => line !== "") + 1);
  }
  if (named === undefined) return [];
  findings.error(
    `${field}.classes`,
    `${join(shown, named)} is not there`,
    "it has a class name in each line",
  );
  return undefined;
}

/** One line, or what is wrong with it. A sixth number is a confidence and is not looked at. */
function boxOf(line: string, classes: readonly string[]): Labelled | string {
  const parts = line.trim().split(/\s+/);
  const numbers = parts.map(Number);
  if (numbers.some((value) => !Number.isFinite(value)))
    return `${JSON.stringify(line.slice(0, 60))} has more than numbers`;
  if (parts.length !== 5 && parts.length !== 6)
    return `${parts.length} numbers; \`class xc yc w h\` is expected${parts.length > 6 ? ", no outline" : ""}`;
  const [index = -1, xc = -1, yc = -1, w = -1, h = -1] = numbers;
  if (!Number.isInteger(index) || index < 0) return `the class ${parts[0]} is no index`;
  if (classes.length > 0 && index >= classes.length)
    return `the class ${index} has no name; there are ${classes.length}, from 0`;
  if ([xc, yc, w, h].some((value) => value < 0 || value > 1) || w === 0 || h === 0)
    return `the box ${parts.slice(1, 5).join(" ")} is none of 0 to 1, in shares of the picture`;
  return { label: classes[index] ?? "", bbox: [xc, yc, w, h] };
}

function truthOf(boxes: readonly Labelled[], classes: readonly string[]): Json {
  const named = classes.length > 0;
  const isSmoke = ({ label }: { label: string }): boolean => !named || label.toLowerCase() === "smoke";
  const knowsSmoke = !named || classes.some((label) => isSmoke({ label }));
  const smoke = boxes.filter(isSmoke).toSorted((a, b) => areaOf(b) - areaOf(a));
  const counts: { [label: string]: number } = {};
  for (const { label } of boxes) counts[label] = (counts[label] ?? 0) + 1;
  return {
    boxes: boxes.map(({ label, bbox }) => (named ? { label, bbox } : { bbox })),
    ...(named && {
      objects: Object.entries(counts).map(([name, count]) => ({ name, count })),
      categories: counts,
    }),
    total_objects: boxes.length,
    ...(knowsSmoke && { has_smoke: smoke.length > 0, bbox: smoke[0]?.bbox ?? null }),
  };
}

const areaOf = ({ bbox: [, , w, h] }: Labelled): number => w * h;

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
