import { expect, test } from "vitest";
import { Company } from "./company.js";

const waits = (company: Company, ...cameMs: number[]) => cameMs.map((ms) => company.waitMs(ms));

test("a lone one goes at once, however many lone ones follow", () => {
  expect(waits(new Company(8), 0, 3, 6, 9, 12, 1000)).toEqual([0, 0, 0, 0, 0, 0]);
});

test("with enough in one window each waits for it, until they are few again", () => {
  expect(waits(new Company(8), 0, 1, 2, 3, 4, 5, 20, 40, 60)).toEqual([0, 0, 0, 8, 8, 8, 0, 0, 0]);
});

test("without a window nothing waits", () => {
  expect(waits(new Company(0), 0, 1, 2, 3, 4)).toEqual([0, 0, 0, 0, 0]);
});
