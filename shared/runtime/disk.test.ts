import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isDiskFull, nodeDisk } from "./disk.js";
import { SaiError } from "./errors.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sai-disk-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("what is not there is nothing, and making a folder twice is no error", async () => {
  expect(await nodeDisk.list(join(dir, "none"))).toEqual([]);
  expect(await nodeDisk.read(join(dir, "none"))).toBeUndefined();
  await nodeDisk.remove(join(dir, "none"));
  await nodeDisk.mkdir(join(dir, "a/b"));
  await nodeDisk.mkdir(join(dir, "a/b"));
  expect(await nodeDisk.list(join(dir, "a"))).toEqual([]);
});

test("a file is replaced as a whole, and nothing temporary stays behind", async () => {
  const path = join(dir, "f");
  await nodeDisk.writeAtomic(path, "a longer first content");
  await nodeDisk.writeAtomic(path, Buffer.from("second"));
  expect((await nodeDisk.read(path))?.toString()).toBe("second");
  expect(readdirSync(dir)).toEqual(["f"]);
  await expect(nodeDisk.writeAtomic(join(dir, "none/f"), "x")).rejects.toMatchObject({ code: "unavailable" });
});

test("what is appended goes to the end, also of a file that was there", async () => {
  const path = join(dir, "f");
  writeFileSync(path, "0");
  const file = await nodeDisk.append(path);
  await file.append("1");
  await file.append(Buffer.from("2"));
  await file.sync();
  await file.close();
  await file.close();
  expect(readFileSync(path, "utf8")).toBe("012");
  await nodeDisk.rename(path, join(dir, "g"));
  expect(await nodeDisk.list(dir)).toEqual(["g"]);
  await expect(file.append("3")).rejects.toBeInstanceOf(SaiError);
});

test("files are listed by name, folders are not", async () => {
  for (const name of ["b", "a", "c"]) writeFileSync(join(dir, name), "");
  await nodeDisk.mkdir(join(dir, "folder"));
  expect(await nodeDisk.list(dir)).toEqual(["a", "b", "c"]);
});

test("what cannot be done names the file and what to do; a full disk is told from the rest", async () => {
  const error = await nodeDisk.read(dir).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "unavailable", hint: expect.stringContaining("can be written") });
  expect(String(error)).toContain(dir);
  expect([isDiskFull(error), isDiskFull(new SaiError("resource_exhausted", "x"))]).toEqual([false, true]);
});

test("a write past the largest file a process may write is a full disk, and leaves a prefix or nothing", () => {
  const disk = fileURLToPath(new URL("./disk.ts", import.meta.url));
  const script = `
    const { nodeDisk } = await import(${JSON.stringify(disk)});
    const file = await nodeDisk.append("log");
    await file.append("x".repeat(3000));
    const codes = [];
    for (const write of [() => file.append("y".repeat(3000)), () => nodeDisk.writeAtomic("whole", "z".repeat(9000))])
      codes.push(await write().then(() => "written", (error) => error.code));
    console.log(codes.join());`;
  const command = `ulimit -f 4; exec "$0" --import tsx --input-type=module -e "$1"`;
  const tsx = fileURLToPath(new URL("../../node_modules/tsx/dist/esm/index.mjs", import.meta.url));
  const { stdout, stderr } = spawnSync(
    "bash",
    ["-c", command.replace("tsx", tsx), process.execPath, script],
    { cwd: dir, encoding: "utf8", env: { ...process.env, TSX_DISABLE_CACHE: "1" } },
  );
  expect([stdout, stderr]).toEqual(["resource_exhausted,resource_exhausted\n", ""]);
  const left = readFileSync(join(dir, "log"), "utf8");
  expect(left).toMatch(/^x{3000}y*$/);
  expect(readdirSync(dir)).toEqual(["log"]);
});
