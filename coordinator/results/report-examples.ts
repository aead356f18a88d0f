/**
 * The samples a report shows, read from the records of a campaign.
 *
 * 1. Bounded, however large the campaign: so many tasks, so many candidates of each, so many pictures made small.
 * 2. A picture that is not there or cannot be read is left out; the report is made all the same.
 */
import sharp from "sharp";
import { chooseExamples, markOf } from "../../shared/benchmark/examples.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { Json } from "../../shared/benchmark/json.js";
import { groupBy } from "../../shared/benchmark/metrics/group-by.js";
import type { Fields } from "../../shared/benchmark/parse-fields.js";
import type { JobSpec } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { answeredBoxes, trueBoxes } from "../../shared/benchmark/scoring/detections.js";
import type { Example, ExampleAnswer, ExampleTask, Picture } from "../report/example.js";
import { clip } from "./clip.js";

export interface ExampleSource {
  jobs: readonly JobSpec[];
  /** Of one job, by ordinal. */
  records(job: string): AsyncIterable<readonly ResultRecord[]>;
  items(manifestSha256: string): Promise<readonly Item[]>;
  /** A picture's bytes, by its hash. */
  media(sha256: string): Promise<Buffer>;
}

const TASKS = 12;
const PER_TASK = 8;
const CANDIDATES = 1_000;
const PICTURES = 40;
const EDGE_PX = 440;
const MOST_PIXELS = 25_000_000;
const INPUT_CHARS = 1_000;
const ANSWER_CHARS = 700;

/** In the plan's order. Throws what reading records throws. */
export async function examplesOf(source: ExampleSource): Promise<ExampleTask[]> {
  const tasks = groupBy(
    source.jobs.filter((job) => job.load === undefined && job.judge === undefined),
    ({ prompt, dataset }) => JSON.stringify([prompt.id, dataset.id, dataset.manifestSha256]),
  );
  const shown: ExampleTask[] = [];
  let pictures = PICTURES;
  for (const jobs of [...tasks.values()].slice(0, TASKS)) {
    const task = await taskOf(source, jobs, pictures);
    if (task === undefined) continue;
    pictures -= task.examples.filter(({ picture }) => picture !== undefined).length;
    shown.push(task);
  }
  return shown;
}

async function taskOf(
  source: ExampleSource,
  jobs: readonly JobSpec[],
  pictures: number,
): Promise<ExampleTask | undefined> {
  const [first] = jobs;
  if (first === undefined) return undefined;
  const answers = new Map<number, ExampleAnswer[]>();
  const levels = new Map<number, string | undefined>();
  for (const job of jobs)
    for await (const record of candidatesOf(source, job)) {
      const item = record.ordinal % Math.max(1, job.dataset.items);
      answers.set(item, [...(answers.get(item) ?? []), answerOf(record, job)]);
      levels.set(item, record.level);
    }
  const candidates = [...answers].map(([item, of]) => ({
    ...{ item, level: levels.get(item) },
    marks: of.flatMap(({ mark }) => mark ?? []),
  }));
  const chosen = chooseExamples(
    candidates.sort((a, b) => a.item - b.item),
    PER_TASK,
  );
  const items = chosen.length === 0 ? [] : await source.items(first.dataset.manifestSha256);
  const examples: Example[] = [];
  let left = pictures;
  for (const { item: index, why } of chosen) {
    const item = items[index];
    if (item === undefined) continue;
    const picture = left > 0 ? await pictureOf(source, item) : undefined;
    if (picture !== undefined) left -= 1;
    examples.push({ ...exampleOf(item), why, picture, answers: answers.get(index) ?? [] });
  }
  if (examples.length === 0) return undefined;
  const { prompt, dataset } = first;
  return {
    ...{ prompt: prompt.id, dataset: dataset.id, template: prompt.template, system: prompt.system },
    ...{ items: dataset.items, lookedAt: candidates.length, examples },
  };
}

/** First repetitions only: they come first. What was cancelled says nothing. */
async function* candidatesOf(source: ExampleSource, job: JobSpec): AsyncGenerator<ResultRecord> {
  const end = Math.min(CANDIDATES, job.dataset.items);
  for await (const records of source.records(job.id))
    for (const record of records) {
      if (record.ordinal >= end) return;
      if (record.status !== "cancelled") yield record;
    }
}

function answerOf(record: ResultRecord, job: JobSpec): ExampleAnswer {
  const { status, output, error } = record;
  const why = error === undefined ? "" : `${error.class}: ${error.message}`;
  const text = output === undefined ? why || "(not kept)" : why === "" ? output : `${output}\n(${why})`;
  const boxes = status === "ok" && isFields(record.parsed) ? answeredBoxes(record.parsed) : [];
  return { model: job.model.id, status, mark: markOf(record, job), text: clip(text, ANSWER_CHARS), boxes };
}

function exampleOf(item: Item): Omit<Example, "why" | "picture" | "answers"> {
  const { id, level, input, target, truth, media } = item;
  const expected = target ?? (truth === undefined ? undefined : JSON.stringify(truth));
  return {
    ...{
      id,
      level,
      pictures: media.length,
      input: input === undefined ? undefined : clip(input, INPUT_CHARS),
    },
    expected: expected === undefined ? undefined : clip(expected, ANSWER_CHARS),
    trueBoxes: (isFields(truth) ? trueBoxes(truth) : undefined) ?? [],
  };
}

async function pictureOf(source: ExampleSource, item: Item): Promise<Picture | undefined> {
  const media = item.media.find((one) => one.kind === "image");
  if (media === undefined) return undefined;
  try {
    const bytes = await source.media(media.sha256);
    // As it was measured when it was read: without turning it by what a camera noted.
    const shown = sharp(bytes, { limitInputPixels: MOST_PIXELS }).flatten({ background: "#ffffff" });
    const isSmall = media.width <= EDGE_PX && media.height <= EDGE_PX;
    if (!isSmall) shown.resize({ width: EDGE_PX, height: EDGE_PX, fit: "inside" });
    const file = await (isSmall ? shown.png({ palette: true }) : shown.jpeg({ quality: 72 })).toBuffer();
    const url = `data:image/${isSmall ? "png" : "jpeg"};base64,${file.toString("base64")}`;
    return { width: media.width, height: media.height, url };
  } catch {
    return undefined; // invariant 2
  }
}

const isFields = (value: Json | undefined): value is Fields =>
  value !== null && typeof value === "object" && !Array.isArray(value);
