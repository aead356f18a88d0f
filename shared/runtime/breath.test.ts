import { expect, test } from "vitest";
import { Breath } from "./breath.js";

test("long work pauses about every 20 ms of it, short work never", async () => {
  let nowMs = 0;
  let pauses = 0;
  const clock = {
    nowMs: () => nowMs,
    sleep: async () => {
      pauses += 1;
      nowMs += 5;
    },
  };
  const breath = new Breath(clock);
  const work = async (pieces: number, pieceMs: number) => {
    for (let i = 0; i < pieces; i++) {
      if (breath.isDue()) await breath.take();
      nowMs += pieceMs;
    }
  };
  await work(190, 0.1);
  expect(pauses).toBe(0);
  await work(10_000, 0.1); // a second
  expect(pauses).toBeGreaterThan(30);
  expect(pauses).toBeLessThanOrEqual(50);
});
