/** Budgets by hand: what may be given out, and when it is over. */
import { expect, test } from "vitest";
import { amount, type JobSpending, mayTake, reached } from "./budget.js";

const job = (usd: number, ended: number, onTheWay = 0, waiting = 10): JobSpending => ({
  ...{ spent: { usd, gpuHours: 0 }, ended, onTheWay, waiting },
});

test("shards on their way count with what others of the job took", () => {
  // 4 shards took 0.40: 0.10 each. 5 on their way are 0.50, one more 0.10.
  const one = job(0.4, 4, 5);
  expect(mayTake({ usd: 1 }, [one], one)).toBe(true);
  expect(mayTake({ usd: 0.99 }, [one], one)).toBe(false);
});

test("sums that are not exact leave the last shard its room", () => {
  const one = job(0.1 + 0.1, 2, 0);
  expect(0.1 + 0.1 + 0.1 <= 0.3).toBe(false);
  expect(mayTake({ usd: 0.3 }, [one], one)).toBe(true);
});

test("one shard runs alone while nothing is known, then one of each job that says nothing yet", () => {
  const [first, second] = [job(0, 0), job(0, 0)];
  expect(mayTake({ usd: 1 }, [first, second], first)).toBe(true);
  const begun = job(0, 0, 1);
  expect(mayTake({ usd: 1 }, [begun, second], begun)).toBe(false);
  expect(mayTake({ usd: 1 }, [begun, second], second)).toBe(false);
  const known = job(0.2, 1);
  expect(mayTake({ usd: 1 }, [known, second], second)).toBe(true);
  expect(mayTake({ usd: 1 }, [known, job(0, 0, 1)], job(0, 0, 1))).toBe(false);
  // Counted like the dearest: 0.2 + 0.2 is more than 0.35.
  expect(mayTake({ usd: 0.35 }, [known, second], second)).toBe(false);
});

test("a budget that is spent gives nothing out, whatever is on its way; it is reached", () => {
  const one = job(2.03, 20, 3);
  expect(mayTake({ usd: 2 }, [one], one)).toBe(false);
  expect(reached({ usd: 2 }, [one], 0)).toBe("budget of 2.00 USD reached after 2.03 USD");
});

test("it is reached when nothing runs and another shard would be too much, not before", () => {
  expect(reached({ usd: 2 }, [job(1.9, 10, 1)], 0)).toBeUndefined();
  expect(reached({ usd: 2 }, [job(1.9, 10)], 0)).toBe(
    "budget of 2.00 USD reached after 1.90 USD: another shard takes about 0.19 USD",
  );
  // The other job's shards are cheap enough.
  expect(reached({ usd: 2 }, [job(1.9, 10), job(0.01, 1)], 0)).toBeUndefined();
  // Nothing is left: it just ends.
  expect(reached({ usd: 2 }, [job(1.9, 10, 0, 0)], 0)).toBeUndefined();
});

test("hours of GPUs, and time, are limits of their own", () => {
  const one = { ...job(0, 4), spent: { usd: 0, gpuHours: 2 } };
  expect(mayTake({ usd: 1, gpuHours: 2.5 }, [one], one)).toBe(true);
  expect(mayTake({ usd: 1, gpuHours: 2.4 }, [one], one)).toBe(false);
  expect(reached({ gpuHours: 2.4 }, [one], 0)).toMatch(/^budget of 2.40 GPU hours reached after 2.00/);
  expect(reached({ wallS: 60 }, [one], 59_999)).toBeUndefined();
  expect(reached({ wallS: 60 }, [one], 60_000)).toBe("budget of 60 s reached, what ran was stopped");
});

test("a campaign that costs nothing is never held up", () => {
  const free = job(0, 3, 400);
  expect(mayTake({ usd: 0.01 }, [free], free)).toBe(true);
});

test("small amounts keep two digits that mean something", () => {
  expect([2, 0.25, 0.0312, 0.00004].map((value) => amount("usd", value))).toEqual([
    ...["2.00 USD", "0.25 USD", "0.031 USD", "0.000040 USD"],
  ]);
});
