import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStateStore } from "../../coordinator/store/open.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { defaultConfig } from "../../shared/runtime/config.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { checkStore } from "./store.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sai-doctor-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const config = (path = join(folder, "state"), kind: "memory" | "embedded" = "embedded") => {
  const { store } = defaultConfig();
  return { store: { ...store, kind, path } };
};
const open = () =>
  openStateStore(config(), { clock: systemClock, random: systemRandom, log: silentLogger() });

test("a store that is not there yet would be made, and looking does not make it", async () => {
  const path = join(folder, "a", "b");
  const check = await checkStore(config(path));
  expect(check).toMatchObject({
    result: "ok",
    detail: expect.stringMatching(`^${path} would be made, .* free$`),
  });
  expect(() => mkdirSync(join(folder, "a"))).not.toThrow();
});

test("an open store names its owner; a closed one says so; both looks leave it as it was", async () => {
  const store = await open();
  try {
    const { result, detail } = await checkStore(config());
    expect(result).toBe("ok");
    expect(detail).toMatch(`process ${process.pid} on `);
    expect(detail).toMatch(/has it open since .* would end with exit 78$/);
  } finally {
    await store.close();
  }
  expect((await checkStore(config())).detail).toMatch(/on disk, .* free; nobody has it open$/);
  await (await open()).close();
});

test("what is no store, or one that is cut off, fails with what to know", async () => {
  const foreign = join(folder, "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "notes.txt"), "mine");
  expect(await checkStore(config(foreign))).toMatchObject({
    result: "fail",
    detail: `${foreign} is no state store: it holds notes.txt`,
  });
  await (await open()).close();
  truncateSync(join(folder, "state", "data.mdb"), 8192);
  expect(await checkStore(config())).toMatchObject({
    result: "fail",
    detail: expect.stringMatching(/is damaged: data\.mdb is cut off$/),
  });
});

test("a store in memory is a warning: it forgets", async () => {
  expect(await checkStore(config("", "memory"))).toMatchObject({ result: "warn" });
});
