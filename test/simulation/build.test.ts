import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { apply } from "./build.js";
import { PLANTED } from "./planted.js";

test("a planted change must find its place", () => {
  const patch = { file: "f.ts", find: "one", replace: "two" };
  expect(apply("a one b", patch)).toBe("a two b");
  expect(() => apply("nothing", patch)).toThrow("0 places");
  expect(() => apply("one one", patch)).toThrow("2 places");
});

test.each(PLANTED)("the place of a planted bug is still there: $name", ({ patches }) => {
  for (const patch of patches) {
    const text = readFileSync(new URL(`../../${patch.file}`, import.meta.url), "utf8");
    expect(apply(text, patch)).not.toBe(text);
  }
});
