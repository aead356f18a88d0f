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

test("from the start, from a number, of one campaign, and on as they happen", async () => {
  const events = log(6);
  expect(await seqs(events.follow(0, "", open), 6)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await seqs(events.follow(4, "", open), 2)).toEqual([5, 6]);
  expect(await seqs(events.follow(0, "even", open), 3)).toEqual([2, 4, 6]);
  const next = seqs(events.follow(6, "", open), 2);
  events.add("n.7", {}, "");
  events.add("n.8", {}, "");
  expect(await next).toEqual([7, 8]);
});

test("a reader from 0 begins at the oldest kept; one that falls behind is told so", async () => {
  const events = log(25);
  expect(await seqs(events.follow(0, "", open), 2)).toEqual([16, 17]);
  const slow = events.follow(0, "", open);
  expect((await slow.next()).value?.seq).toBe(16);
  for (let i = 0; i < 20; i += 1) events.add("more", {}, "");
  const rest = seqs(slow, 100);
  await expect(rest).rejects.toMatchObject({ code: "out_of_range" });
});

test("a number that is forgotten, or of another coordinator, is refused at once", async () => {
  await expect(seqs(log(25).follow(3, "", open), 1)).rejects.toMatchObject({ code: "out_of_range" });
  await expect(seqs(log(5).follow(500, "", open), 1)).rejects.toMatchObject({ code: "out_of_range" });
});

test("an empty log waits, and ends with its signal", async () => {
  const gone = new AbortController();
  const waiting = seqs(log(0).follow(0, "", gone.signal), 1);
  gone.abort();
  expect(await waiting).toEqual([]);
});
