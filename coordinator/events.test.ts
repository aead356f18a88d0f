import { expect, test } from "vitest";
import { systemClock } from "../shared/runtime/clock.js";
import { EventLog, type FleetEvent } from "./events.js";

const log = (events: number, kept = 10): EventLog => {
  const made = new EventLog(systemClock, kept);
  for (let i = 1; i <= events; i += 1) made.add(`n.${i}`, { campaign: i % 2 === 0 ? "even" : "odd" }, "");
  return made;
};
const seqs = async (events: AsyncIterable<FleetEvent>, n: number): Promise<number[]> => {
  const seen: number[] = [];
  for await (const { seq } of events) {
    seen.push(seq);
    if (seen.length === n) break;
  }
  return seen;
};
const open = new AbortController().signal;
const all = { campaign: "", node: "" };

test("from the start, from a number, of one campaign, and on as they happen", async () => {
  const events = log(6);
  expect(await seqs(events.follow(0, all, open), 6)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await seqs(events.follow(4, all, open), 2)).toEqual([5, 6]);
  expect(await seqs(events.follow(0, { campaign: "even", node: "" }, open), 3)).toEqual([2, 4, 6]);
  const next = seqs(events.follow(6, all, open), 2);
  events.add("n.7", {}, "");
  events.add("n.8", {}, "");
  expect(await next).toEqual([7, 8]);
});

test("a reader from 0 begins at the oldest kept; one that falls behind is told so", async () => {
  const events = log(25);
  expect(await seqs(events.follow(0, all, open), 2)).toEqual([16, 17]);
  const slow = events.follow(0, all, open);
  expect((await slow.next()).value?.seq).toBe(16);
  for (let i = 0; i < 20; i += 1) events.add("more", {}, "");
  const rest = seqs(slow, 100);
  await expect(rest).rejects.toMatchObject({ code: "out_of_range" });
});

test("a number that is forgotten, or of another coordinator, is refused at once", async () => {
  await expect(seqs(log(25).follow(3, all, open), 1)).rejects.toMatchObject({ code: "out_of_range" });
  await expect(seqs(log(5).follow(500, all, open), 1)).rejects.toMatchObject({ code: "out_of_range" });
});

test("until now: what there is, of a filter too, and an end", async () => {
  const events = log(6);
  const read = async (since: number, filter = all) => {
    const seen: number[] = [];
    for await (const { seq } of events.follow(since, filter, open, true)) {
      seen.push(seq);
      events.add("later", { campaign: "odd" }, "");
    }
    return seen;
  };
  expect(await read(4)).toEqual([5, 6]);
  expect(await read(8)).toEqual([]);
  expect(await read(0, { campaign: "odd", node: "" })).toEqual([1, 3, 5, 7, 8]);
  expect(await seqs(log(0).follow(0, all, open, true), 1)).toEqual([]);
});

test("events of a node; a reader that waits for others sleeps on", async () => {
  const events = log(0);
  const seen = seqs(events.follow(0, { campaign: "", node: "n2" }, open), 1);
  events.add("node.ready", { node: "n1" }, "");
  events.add("node.ready", { node: "n2" }, "");
  expect(await seen).toEqual([2]);
});

test("a reader that waits for its own misses nothing when thousands of others' events pass", async () => {
  const events = log(0);
  const seen = seqs(events.follow(0, { campaign: "mine", node: "" }, open), 2);
  for (let i = 0; i < 50; i += 1) events.add("n", { campaign: "other" }, "");
  events.add("n", { campaign: "mine" }, "");
  for (let i = 0; i < 5; i += 1) events.add("n", { campaign: "other" }, "");
  events.add("n", { campaign: "mine" }, "");
  expect(await seen).toEqual([51, 57]);
});

test("a ring that has turned many times holds the newest, in order", async () => {
  const events = log(107, 10);
  expect(await seqs(events.follow(0, all, open), 10)).toEqual([
    98, 99, 100, 101, 102, 103, 104, 105, 106, 107,
  ]);
  expect(await seqs(events.follow(103, all, open), 4)).toEqual([104, 105, 106, 107]);
});

test("an empty log waits, and ends with its signal", async () => {
  const gone = new AbortController();
  const waiting = seqs(log(0).follow(0, all, gone.signal), 1);
  gone.abort();
  expect(await waiting).toEqual([]);
});
