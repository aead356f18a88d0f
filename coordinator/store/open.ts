/** The state store a configuration asks for. */
import type { Clock } from "../../shared/runtime/clock.js";
import type { Config } from "../../shared/runtime/config.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import { openEmbeddedStore } from "./embedded/embedded-store.js";
import { openEtcdStore } from "./etcd/open-etcd.js";
import { openMemoryStore } from "./memory-store.js";
import type { StateStore, StoreAdmin } from "./store.js";

const SMALLEST_QUOTA_BYTES = 1024 ** 2;

export interface OpenStore extends StateStore, StoreAdmin {
  /** Aborts when the store can do nothing any more, whatever is tried; its process has to start anew. */
  readonly broken: AbortSignal;
}

/**
 * Opens it. Throws SaiError `config` when it cannot be had: another coordinator owns its folder, it is damaged, its
 * certificates cannot be read, … An etcd that does not answer yet is waited for later, by whoever wants to lead.
 */
export async function openStateStore(
  config: Pick<Config, "store">,
  parts: { clock: Clock; random: Random; log: Logger },
): Promise<OpenStore> {
  const { kind, path, quotaBytes } = config.store;
  if (quotaBytes < SMALLEST_QUOTA_BYTES) {
    throw new SaiError("config", `store.quota: ${quotaBytes} bytes are too few for a state store`, {
      hint: 'give it "1MiB" or more; the default is "2GiB"',
    });
  }
  if (kind === "memory") return openMemoryStore({ clock: parts.clock, quotaBytes });
  if (kind === "etcd") return openEtcdStore(config.store, parts);
  const store = await openEmbeddedStore({ folder: path, quotaBytes, ...parts });
  parts.log.info({ folder: path, ...(await store.usage()) }, "state store opened");
  return store;
}
