import { expect, test } from "vitest";
import { apply } from "./build.js";

test("a planted change must find its place", () => {
  const patch = { file: "f.ts", find: "one", replace: "two" };
  expect(apply("a one b", patch)).toBe("a two b");
  expect(() => apply("nothing", patch)).toThrow("0 places");
  expect(() => apply("one one", patch)).toThrow("2 places");
});
