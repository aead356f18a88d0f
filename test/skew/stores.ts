/** Stores that earlier versions have written (record-store.ts), as the state and artifacts of a data folder. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openEmbeddedStore } from "../../coordinator/store/embedded/embedded-store.js";
import { rev } from "../../coordinator/store/store.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import type { Recorded } from "./record-store.js";

/** `name`: such as store-1. */
export async function recorded(name: string): Promise<Recorded> {
  return JSON.parse(await readFile(new URL(`${name}.json`, import.meta.url), "utf8")) as Recorded;
}

/** Puts it below `folder`, into `state` and `artifacts`. */
export async function putBack(store: Recorded, folder: string): Promise<void> {
  const kvs = store.kvs.map(({ key, value, createRev, modRev, version }) => ({
    ...{ key, value: Buffer.from(value), createRev: rev(BigInt(createRev)), modRev: rev(BigInt(modRev)) },
    version: BigInt(version),
  }));
  const state = await openEmbeddedStore({
    ...{ folder: join(folder, "state"), clock: systemClock, random: systemRandom, log: silentLogger() },
    restore: { rev: rev(BigInt(store.rev)), kvs },
  });
  await state.close();
  for (const [path, text] of Object.entries(store.artifacts)) {
    const file = join(folder, "artifacts", path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}
