import sharp from "sharp";
import { expect, test } from "vitest";
import type { Item } from "../../shared/benchmark/item.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { planForTests, recordForTests } from "../../shared/benchmark/scoring/campaign-for-tests.js";
import { type ExampleSource, examplesOf } from "./report-examples.js";

const N = 1_500;
const items: Item[] = Array.from({ length: N }, (_, i) => ({
  id: `i${i}`,
  media: [
    {
      kind: "image" as const,
      name: "",
      sha256: i === 2 ? "broken" : "red",
      mime: "",
      bytes: 1,
      width: 2000,
      height: 1000,
    },
  ],
  truth: { has_smoke: true, bbox: [0.5, 0.5, 0.2, 0.2] },
}));
const prompt = { fields: { has_smoke: "has_smoke", bbox: "bbox" } };
const { jobs } = planForTests([
  { model: "good", items: N, metrics: ["accuracy"], prompt, more: { repetitions: 2 } },
  { model: "bad", items: N, metrics: ["accuracy"], prompt, more: { repetitions: 2 } },
]);
const [good, bad] = jobs;
let read = 0;

function recordOf(job: string, ordinal: number): ResultRecord {
  const spec = job === good?.id ? good : bad;
  const item = items[ordinal % N];
  if (spec === undefined || item === undefined) throw new Error("none");
  const smoke = job === good?.id || ordinal !== 2;
  const output = JSON.stringify({ has_smoke: smoke, bbox: smoke ? [0.5, 0.5, 0.2, 0.2] : null });
  if (job === bad?.id && ordinal === 7) return recordForTests(spec, ordinal, item, { status: "timeout" });
  return recordForTests(spec, ordinal, item, { output }, { output: `${output} ${"word ".repeat(400)}` });
}

const source: ExampleSource = {
  jobs,
  async *records(job) {
    for (let from = 0; from < 2 * N; from += 100) {
      read += 100;
      yield Array.from({ length: 100 }, (_, i) => recordOf(job, from + i));
    }
  },
  items: async () => items,
  media: async (hash) =>
    hash === "broken"
      ? Buffer.from("no picture")
      : sharp({ create: { width: 2000, height: 1000, channels: 3, background: "red" } })
          .png()
          .toBuffer(),
};

test("of a large campaign a bounded part is read; where models differ comes first, with small pictures", async () => {
  const [task, ...more] = await examplesOf(source);
  expect(more).toEqual([]);
  expect(task).toMatchObject({ prompt: "p", dataset: "d", items: N, lookedAt: 1_000 });
  expect(read).toBeLessThanOrEqual(2 * 1_100);
  expect(task?.examples.map(({ id, why }) => [id, why]).slice(0, 3)).toEqual([
    ["i2", "models differ"],
    ["i7", "models differ"],
    ["i0", "right"],
  ]);
  const [broken, timeout] = task?.examples ?? [];
  expect([broken?.picture, broken?.pictures]).toEqual([undefined, 1]);
  expect(
    timeout?.answers.map(({ model, status, mark, boxes }) => [model, status, mark?.toFixed(6), boxes.length]),
  ).toEqual([
    ["good", "ok", "1.000000", 1],
    ["bad", "timeout", "0.000000", 0],
  ]);
  expect(timeout?.answers[1]?.text).toBe("timeout: timeout of i7");
  expect(timeout?.answers[0]?.text).toMatch(/word … \(\d+ characters\)$|… \(\d+ characters\)$/);
  expect(timeout?.trueBoxes).toHaveLength(1);
  const shown = timeout?.picture;
  expect(shown).toMatchObject({ width: 2000, height: 1000 });
  const small = await sharp(Buffer.from(shown?.url.split(",")[1] ?? "", "base64")).metadata();
  expect([small.format, small.width, small.height]).toEqual(["jpeg", 440, 220]);
});
