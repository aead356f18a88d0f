import { expect, test } from "vitest";
import { remainsOf } from "./gpu-remains.js";

const MIB = 1024 ** 2;
const before = { usedBytes: 100 * MIB, pids: [7] };

test.each([
  ["as before", { usedBytes: 100 * MIB, pids: [7] }, undefined],
  ["less than before", { usedBytes: 0, pids: [] }, undefined],
  ["what a driver keeps", { usedBytes: 356 * MIB, pids: [7] }, undefined],
  ["memory that nobody has", { usedBytes: 357 * MIB, pids: [7] }, "257 MiB more in use than before"],
  ["somebody else", { usedBytes: 100 * MIB, pids: [7, 8] }, "process 8 on it"],
  ["many", { usedBytes: 0, pids: [1, 2, 3, 4, 5, 6, 8] }, "processes 1, 2, 3, 4, 5 and 2 more on it"],
  ["a driver that does not tell", { usedBytes: undefined, pids: [] }, undefined],
  ["nothing to be seen", undefined, "it cannot be seen"],
])("%s", (_, now, said) => {
  expect(remainsOf(before, now)).toBe(said);
});
