/** What a state store has on the disk: its folder is opened anew, after the coordinator that owned it was killed. */
import { openEmbeddedStore } from "../../coordinator/store/embedded/embedded-store.js";
import { keys } from "../../coordinator/store/keys.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";

/** Shards with a done record. */
export async function countDone(folder: string): Promise<number> {
  const store = await openEmbeddedStore({ folder, clock, random, log: silentLogger() });
  try {
    let found = 0;
    for await (const { kvs } of store.list(keys.dones)) found += kvs.length;
    return found;
  } finally {
    await store.close();
  }
}
