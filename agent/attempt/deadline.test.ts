import { expect, test } from "vitest";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { Deadline } from "./deadline.js";

test("only the time that it runs counts, however often it stands still", async () => {
  const clock = new ManualClock();
  let passed = 0;
  const deadline = new Deadline(clock, 100, () => passed++);
  await clock.advance(60);
  deadline.pause();
  deadline.pause();
  await clock.advance(1_000);
  deadline.goOn();
  deadline.goOn();
  await clock.advance(30);
  deadline.pause();
  await clock.advance(1_000);
  deadline.goOn();
  await clock.advance(9);
  expect(passed).toBe(0);
  await clock.advance(1);
  expect(passed).toBe(1);
});

test("what is cancelled never passes", async () => {
  const clock = new ManualClock();
  const deadline = new Deadline(clock, 100, () => expect.fail("it has passed"));
  deadline.cancel();
  await clock.advance(1_000);
});
