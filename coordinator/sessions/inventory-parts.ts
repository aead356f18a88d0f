/**
 * An inventory while it comes in, in as many messages as it takes.
 *
 * 1. Whoever begins anew (part 0) drops what came before; any other order is the agent's fault.
 * 2. All parts together are bounded, so that the inventory fits into one value of the state store.
 */
import type { InventoryReport } from "../../shared/gen/sai/agent/v1/session.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { inventoryHashOf } from "./convert.js";

/** Agents keep below it, too. */
const MAX_BYTES = 1024 * 1024;

interface Begun {
  hash: string;
  parts: number;
  bytes: number;
  inventory: Inventory;
}

export class InventoryParts {
  private begun: Begun | undefined;

  /** The whole inventory with its last part; undefined before. Throws SaiError. */
  take({ hash, inventory, part, more }: InventoryReport): { hash: string; inventory: Inventory } | undefined {
    if (inventory === undefined) return undefined;
    if (hash === "") throw new SaiError("invalid_argument", "an inventory came without its hash");
    // Invariant 1.
    const begun = part === 0 ? { hash: inventoryHashOf(hash), parts: 0, bytes: 0, inventory } : this.begun;
    this.begun = undefined;
    if (begun === undefined || begun.hash !== hash || begun.parts !== part) {
      throw new SaiError("invalid_argument", `part ${part} of an inventory came out of turn`);
    }
    begun.parts += 1;
    begun.bytes += Inventory.encode(inventory).finish().byteLength;
    if (begun.bytes > MAX_BYTES) {
      throw new SaiError("resource_exhausted", `the inventory takes more than ${MAX_BYTES} bytes`, {
        hint: "serve fewer models on this node",
      });
    }
    if (part > 0) join(begun.inventory, inventory);
    if (!more) return { hash, inventory: begun.inventory };
    this.begun = begun;
    return undefined;
  }
}

function join(whole: Inventory, { devices, gpus, engines }: Inventory): void {
  whole.devices.push(...devices);
  whole.gpus.push(...gpus);
  for (const engine of engines) {
    const known = whole.engines.find(({ kind }) => kind === engine.kind);
    if (known) for (const model of engine.models) known.models.push(model);
    else whole.engines.push(engine);
  }
}
