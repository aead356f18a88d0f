import { expect, test } from "vitest";
import { prepareSuite } from "../../shared/suites/prepare.js";
import { answerTo, payloadOf } from "./loop.js";
import { expectedOf, suiteOfTasks, told } from "./shard-tasks.js";

/** The records file of a shard, with what its agent says of its sample. */
const file = (shard: number, repetition: number, output: string) =>
  Buffer.from(`${JSON.stringify({ shard, repetition, output })}\n`);
const answer = (item: number) => answerTo(payloadOf(item));

test("what came back is what is expected of the task whose shard, repetition and item it is", () => {
  expect(told(file(7, 0, answer(7)))).toBe(expectedOf(7));
  expect(told(file(4007, 2, answer(7)))).toBe(expectedOf(4007));
});

test("another task's result is seen as such, also of one with the same item", () => {
  expect(told(file(8, 0, answer(8)))).not.toBe(expectedOf(7));
  expect(told(file(2007, 1, answer(7)))).not.toBe(expectedOf(7));
});

test("an answer of another item, or of another repetition, is not what is expected", () => {
  expect(told(file(7, 0, answer(8)))).not.toBe(expectedOf(7));
  expect(told(file(2007, 0, answer(7)))).not.toBe(expectedOf(2007));
});

test("no records, or several, are nobody's", () => {
  expect(told(undefined)).toBe("");
  expect(told(Buffer.from("no record"))).toBe("");
  expect(told(Buffer.concat([file(7, 0, answer(7)), file(7, 0, answer(7))]))).toBe("");
});

test("a campaign has room for all tasks", async () => {
  const { datasets, run } = JSON.parse(suiteOfTasks(4001));
  expect(datasets[0].items).toHaveLength(2000);
  expect(datasets[0].items[7].input).toBe(payloadOf(7));
  expect(run).toEqual({ shard_size: 1, repetitions: 3 });
  // Three cells of 22 s.
  const whole = await prepareSuite({
    ...{ text: suiteOfTasks(66 * 20_000), modelMap: {}, files: { kind: "within", dir: "/nowhere" } },
    ...{ manifests: new Map(), promptFiles: new Map() },
  });
  expect(whole.findings).toEqual([]);
});
