import { expect, test } from "vitest";
import { coresOf, estimateS } from "./plan.js";

test("servers have the first half of the cores, the others the rest; one core is shared", () => {
  expect(coresOf(1)).toEqual({ server: "0", others: "0" });
  expect(coresOf(2)).toEqual({ server: "0", others: "1" });
  expect(coresOf(5)).toEqual({ server: "0-1", others: "2-4" });
  expect(coresOf(8)).toEqual({ server: "0-3", others: "4-7" });
});

test("the eleven systems that run take about forty minutes at the defaults", () => {
  const minutes = estimateS(11, { warmupS: 2, seconds: 20, alternations: 3 }) / 60;
  expect(minutes).toBeGreaterThan(39);
  expect(minutes).toBeLessThan(41);
});
