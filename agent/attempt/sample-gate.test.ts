import fc from "fast-check";
import { expect, test } from "vitest";
import { SEED } from "../../test/conformance/seeded.js";
import { never } from "../../test/support/inference.js";
import { SampleGate } from "./sample-gate.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A gate whose samples end when the test says so. */
function gated() {
  const gate = new SampleGate();
  const running = new Map<string, () => void>();
  const start = (name: string, alone: boolean, signal = never()) =>
    gate.with(alone, signal, () => new Promise<void>((resolve) => running.set(name, resolve)));
  const end = async (name: string) => {
    running.get(name)?.();
    running.delete(name);
    await settle();
  };
  return { start, end, names: () => [...running.keys()].join(" ") };
}

test("a suspect waits for those that run, and those that come after it wait for the suspect", async () => {
  const { start, end, names } = gated();
  void start("a", false);
  void start("b", false);
  void start("suspect", true);
  void start("c", false);
  await settle();
  expect(names()).toBe("a b");
  await end("a");
  expect(names()).toBe("b");
  await end("b");
  expect(names()).toBe("suspect");
  await end("suspect");
  expect(names()).toBe("c");
});

test("who gives up waiting lets those behind it go", async () => {
  const { start, names } = gated();
  const stop = new AbortController();
  void start("a", false);
  const suspect = start("suspect", true, stop.signal);
  void start("b", false);
  await settle();
  stop.abort(new Error("cancelled"));
  await expect(suspect).rejects.toThrow("cancelled");
  await settle();
  expect(names()).toBe("a b");
});

test("whatever comes and goes, a suspect is never beside another sample, and all get their turn", async () => {
  const steps = fc.array(fc.record({ alone: fc.boolean(), ends: fc.nat(4) }), { maxLength: 30 });
  const property = fc.asyncProperty(steps, async (given) => {
    const gate = new SampleGate();
    const running: { alone: boolean; end: () => void }[] = [];
    let started = 0;
    const all: Promise<void>[] = [];
    const check = () => {
      if (running.some(({ alone }) => alone)) expect(running).toHaveLength(1);
    };
    const endOne = async () => {
      running.shift()?.end();
      await settle();
      check();
    };
    for (const { alone, ends } of given) {
      const work = () =>
        new Promise<void>((end) => {
          started += 1;
          running.push({ alone, end });
        });
      all.push(gate.with(alone, never(), work));
      check();
      for (let i = 0; i < ends; i += 1) await endOne();
    }
    while (running.length > 0) await endOne();
    await Promise.all(all);
    expect(started).toBe(given.length);
  });
  console.info(`gated samples: SEED=${SEED}`);
  await fc.assert(property, { seed: SEED, numRuns: 100 });
});
