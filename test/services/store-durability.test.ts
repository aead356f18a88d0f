/**
 * The embedded store over a disk that stalls: fdatasync is held up inside the store's process by a library of a few
 * lines that a C compiler makes. Until the disk has answered nobody gets an answer or sees the write.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type StoreProcess, startStoreProcess } from "../support/store-process.js";
import { until } from "../support/until.js";

const STALL = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int fdatasync(int fd) {
  const char *hold = getenv("STALL_WHILE"), *held = getenv("STALLED");
  if (access(hold, F_OK) == 0) close(open(held, O_CREAT | O_WRONLY, 0600));
  while (access(hold, F_OK) == 0) usleep(1000);
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
`;

const compiler = ["cc", "gcc", "clang"].find((name) => {
  try {
    return execFileSync(name, ["--version"], { stdio: "pipe" }).length > 0;
  } catch {
    return false;
  }
});

let folder: string | undefined;
let store: StoreProcess | undefined;
afterEach(async () => {
  await store?.kill();
  if (folder) rmSync(folder, { recursive: true });
});

const why = compiler === undefined ? " [not run: this machine has no C compiler]" : "";
test.skipIf(compiler === undefined)(`an acknowledgement waits for the disk${why}`, async () => {
  folder = mkdtempSync(join(tmpdir(), "sai-stall-"));
  const [source, library, hold, held] = ["stall.c", "stall.so", "hold", "held"].map((n) =>
    join(folder ?? "", n),
  );
  writeFileSync(`${source}`, STALL);
  execFileSync(`${compiler}`, ["-shared", "-fPIC", "-o", `${library}`, `${source}`, "-ldl"]);
  const env = { LD_PRELOAD: `${library}`, STALL_WHILE: `${hold}`, STALLED: `${held}` };
  store = startStoreProcess({ env });
  await store.ask({ do: "open", folder: join(folder, "state") });
  await store.ask({ do: "txn", puts: ["/t/before"] });

  writeFileSync(`${hold}`, "");
  expect(await store.ask({ do: "begin", key: "/t/held" })).toEqual({ begun: "/t/held" });
  await until("the disk has the write and stalls", () => existsSync(`${held}`));
  expect(await store.ask({ do: "list" })).toEqual({ keys: ["/t/before"] });
  expect(await store.ask({ do: "begin", key: "/t/later" })).toEqual({ begun: "/t/later" });
  rmSync(`${hold}`);
  expect([await store.next(), await store.next()]).toEqual([{ acked: "/t/held" }, { acked: "/t/later" }]);
  expect(await store.ask({ do: "list" })).toEqual({ keys: ["/t/before", "/t/held", "/t/later"] });
});
