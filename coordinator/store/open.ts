/** The state store a configuration asks for. */
import type { Clock } from "../../shared/runtime/clock.js";
import type { Config } from "../../shared/runtime/config.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import type { CoreStore } from "./core-store.js";
import { openEmbeddedStore } from "./embedded/embedded-store.js";
import { openMemoryStore } from "./memory-store.js";

const SMALLEST_QUOTA_BYTES = 1024 ** 2;

/** Opens it. Throws SaiError `config` when its folder cannot be had: another coordinator owns it, it is damaged, … */
export async function openStateStore(
  config: Pick<Config, "store">,
  parts: { clock: Clock; random: Random; log: Logger },
): Promise<CoreStore> {
  const { kind, path, quotaBytes } = config.store;
  if (quotaBytes < SMALLEST_QUOTA_BYTES) {
    throw new SaiError("config", `store.quota: ${quotaBytes} bytes are too few for a state store`, {
      hint: 'give it "1MiB" or more; the default is "2GiB"',
    });
  }
  if (kind === "memory") return openMemoryStore({ clock: parts.clock, quotaBytes });
  const store = await openEmbeddedStore({ folder: path, quotaBytes, ...parts });
  parts.log.info({ folder: path, ...(await store.usage()) }, "state store opened");
  return store;
}
