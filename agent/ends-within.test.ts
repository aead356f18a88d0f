import { expect, test } from "vitest";
import { systemClock } from "../shared/runtime/clock.js";
import { ManualClock, settle } from "../test/conformance/manual-clock.js";
import { endsWithin } from "./ends-within.js";

test("what ends is waited for, what fails is said, and no timer stays behind", async () => {
  const said: string[] = [];
  const clock = new ManualClock();
  await endsWithin(1000, Promise.resolve(), clock, (reason) => said.push(reason));
  await endsWithin(1000, Promise.reject(new Error("broken")), clock, (reason) => said.push(reason));
  expect([said, clock.pendingTimers]).toEqual([["broken"], 0]);
});

test("what does not end is left behind, and said", async () => {
  const said: string[] = [];
  await endsWithin(20, new Promise(() => {}), systemClock, (reason) => said.push(reason));
  await settle();
  expect(said).toEqual(["it has not ended within 20 ms"]);
});
