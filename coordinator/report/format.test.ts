import { describe, expect, it } from "vitest";
import {
  formatCount,
  formatDifference,
  formatMs,
  formatP,
  formatPercent,
  formatValue,
  significant,
} from "./format.js";

const plain = (text: string): string => text.replaceAll("\u00A0", " ");

describe("format", () => {
  it.each([
    [0, "0.0 %"],
    [0.0004, "< 0.1 %"],
    [0.8, "80.0 %"],
    [0.81666, "81.7 %"],
    [0.9996, "> 99.9 %"],
    [1, "100.0 %"],
    [1.524, "152.4 %"],
    [Number.NaN, "n/a"],
    [undefined, "n/a"],
  ])("percent of %s is %s", (share, text) => expect(plain(formatPercent(share))).toBe(text));

  it.each([
    [0, "0 ms"],
    [0.1234, "0.123 ms"],
    [9.999, "10.0 ms"],
    [412.4, "412 ms"],
    [999.7, "1.00 s"],
    [12_345, "12.3 s"],
    [119_960, "2.00 min"],
    [Number.POSITIVE_INFINITY, "n/a"],
  ])("%s ms is %s", (ms, text) => expect(plain(formatMs(ms))).toBe(text));

  it("gives every unit its sign", () => {
    expect(plain(formatValue(1.5, "per_s"))).toBe("1.50 /s");
    expect(formatValue(0.0412, "usd")).toBe("$0.0412");
    expect(plain(formatValue(3, "widgets"))).toBe("3.00 widgets");
  });

  it("writes differences with a true minus and ratios in points", () => {
    expect(plain(formatDifference(-0.0167, "ratio"))).toBe("−1.7 points");
    expect(plain(formatDifference(120, "ms"))).toBe("+120 ms");
    expect(plain(formatDifference(0, "ratio"))).toBe("±0.0 points");
  });

  it("writes p values with two digits, and bounds", () => {
    expect([1, 0.0314, 0.00012, 0.00001, Number.NaN].map((p) => plain(formatP(p)))).toEqual([
      "1.00",
      "0.031",
      "0.00012",
      "< 0.0001",
      "n/a",
    ]);
  });

  it("groups thousands and keeps digits", () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
    expect(significant(0.0999999, 3)).toBe("0.100");
    expect(significant(123_456, 3)).toBe("123000");
    expect(significant(1e12, 3)).toBe("1.00e+12");
  });
});
