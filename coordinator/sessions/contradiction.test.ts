import { expect, test } from "vitest";
import type { Inventory } from "../../shared/gen/sai/v1/node.js";
import type { RegisteredGpu } from "../store/values.js";
import { contradiction, registeredGpus } from "./contradiction.js";

const GIB = 1024 ** 3;
const gpu = (uuid: string, gib = 80): RegisteredGpu => ({ uuid, name: "H100", memoryBytes: gib * GIB });
const seen = (gpus: readonly RegisteredGpu[], gpuLook = "seen") =>
  ({ gpus, gpuLook }) as unknown as Pick<Inventory, "gpus" | "gpuLook">;
const two = [gpu("a"), gpu("b")];

test.each([
  ["one is gone", two, seen([gpu("a")]), "1 of 2 GPUs are gone: H100 b"],
  [
    "another product is in its place",
    two,
    seen([gpu("a"), { ...gpu("c"), name: "L40S" }]),
    "1 of 2 GPUs are gone: H100 b",
  ],
  ["a smaller one is in its place", two, seen([gpu("a"), gpu("c", 40)]), "1 of 2 GPUs are gone: H100 b"],
  ["one stands for two", two, seen([gpu("c")]), "1 of 2 GPUs are gone: H100 b"],
  [
    "half of the memory is gone",
    two,
    seen([gpu("a"), gpu("b", 40)]),
    "GPUs have less memory than before: H100 b",
  ],
  [
    "much at once",
    ["a", "b", "c", "d", "e", "f", "g"].map((uuid) => gpu(uuid)),
    seen([gpu("g", 40)]),
    "6 of 7 GPUs are gone: H100 a, H100 b, H100 c, H100 d and 2 more; GPUs have less memory than before: H100 g",
  ],
])("%s: a contradiction", (_, before, now, said) => {
  expect(contradiction(before, now)).toBe(said);
  // From now on it is what it is registered with.
  expect(contradiction(registeredGpus(before, now), now)).toBeUndefined();
});

test.each([
  ["the same", two, seen(two)],
  ["more", two, seen([...two, gpu("c")])],
  ["the first ones", [], seen(two)],
  ["others of the same product", two, seen([gpu("c"), gpu("d")])],
  ["ECC is on", two, seen([gpu("a", 75), gpu("b", 75)])],
])("%s: none", (_, before, now) => {
  expect(contradiction(before, now)).toBeUndefined();
  expect(registeredGpus(before, now)).toEqual(now.gpus);
});

test.each([
  "none",
  "failed",
  "pending",
  "off",
  "",
])("a look that is %s contradicts nothing and takes nothing away", (look) => {
  const now = seen([], look);
  expect(contradiction(two, now)).toBeUndefined();
  expect(registeredGpus(two, now)).toBe(two);
});

test("what is kept of a node that tells beyond reason is bounded", () => {
  const many = Array.from({ length: 5000 }, (_, i) => ({
    ...gpu(`${i} ${"u".repeat(500)}`),
    name: "n".repeat(500),
  }));
  const kept = registeredGpus([], seen(many));
  expect(JSON.stringify(kept).length).toBeLessThan(20_000);
  expect(contradiction(kept, seen(many))).toBeUndefined();
});

test("names cannot break a line", () => {
  const [kept] = registeredGpus([], seen([{ ...gpu("a"), name: "H100\n\u001b[31m" }]));
  expect(kept?.name).toBe("H100??[31m");
});
