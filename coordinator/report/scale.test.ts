import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { amountScale, ratioScale, timeScale } from "./scale.js";

describe("scales", () => {
  it("draws ratios on 0 to 100 %, further only where a value is above", () => {
    expect(ratioScale([0.2, 0.4], [0, 100]).at(0.5)).toBe(50);
    const beyond = ratioScale([1.6], [0, 100]);
    expect(beyond.ticks.at(-1)).toBe(2);
    expect(beyond.at(1)).toBe(50);
  });

  it("turns logarithmic when the largest time is over twenty times the smallest", () => {
    expect(timeScale([10, 199], [0, 100]).kind).toBe("linear");
    const log = timeScale([10, 10_000], [0, 100]);
    expect(log.kind).toBe("log");
    expect(log.at(Math.sqrt(10 * 10_000))).toBeCloseTo(50);
    expect(log.ticks).toEqual([10, 30, 100, 300, 1000, 3000, 10_000]);
    expect(timeScale([0, 10_000], [0, 100]).kind).toBe("linear");
  });

  it("makes few ticks and finite coordinates whatever the values", () => {
    const value = fc.oneof(fc.double(), fc.double({ min: 0, max: 2 }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), (values) => {
        for (const scale of [ratioScale, amountScale, timeScale].map((make) => make(values, [0, 100]))) {
          expect(scale.ticks.length).toBeLessThan(20);
          for (const v of values.filter(Number.isFinite)) expect(scale.at(v)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it("keeps what lies outside at the edge", () => {
    const scale = amountScale([4], [0, 100]);
    expect([scale.at(-5), scale.at(1e9)]).toEqual([0, 100]);
  });
});
