import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elapsedMs, formatInstant } from "./instant.js";

describe("instants", () => {
  it("shows UTC and leaves other text alone", () => {
    expect(formatInstant("2026-03-02T09:14:05.120Z")).toBe("2026-03-02 09:14:05 UTC");
    expect(formatInstant("2026-03-02T09:14:05+02:00")).toBe("2026-03-02T09:14:05+02:00");
    expect(formatInstant("yesterday")).toBe("yesterday");
  });

  it("subtracts as the platform's calendar does", () => {
    const date = fc.date({ min: new Date(0), max: new Date("2200-01-01"), noInvalidDate: true });
    fc.assert(
      fc.property(date, date, (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        expect(elapsedMs(from.toISOString(), to.toISOString())).toBe(to.getTime() - from.getTime());
      }),
    );
    expect(elapsedMs("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z")).toBe(0);
  });

  it("gives nothing while running, or backwards", () => {
    expect(elapsedMs("2026-01-01T00:00:00Z", "")).toBeUndefined();
    expect(elapsedMs("2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z")).toBeUndefined();
  });
});
