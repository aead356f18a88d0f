/**
 * An inventory in messages of at most 256 KiB.
 *
 * 1. Whoever does not take parts (protocol 1) gets one message, and nobody gets more than 1 MiB: an engine whose names
 *    of models do not fit says so instead of them, so that it is seen why it takes no work.
 * 2. What is cut has a name of its own: the hash stands for the whole. So has what protocol 1 takes for the whole, since
 *    it keeps nothing of GPUs: a coordinator of now that inherits it must ask again.
 */
import type { InventoryReport } from "../../shared/gen/sai/agent/v1/session.js";
import { type Device, type EngineInfo, GpuDescription, Inventory } from "../../shared/gen/sai/v1/node.js";
import { SaiError } from "../../shared/runtime/errors.js";

/** Of the entries in one message, bytes. */
export const PART_BYTES = 200 * 1024;
const WHOLE_BYTES = 1024 * 1024 - PART_BYTES;
/** Protocol version from which a coordinator takes parts. */
const PARTS_SINCE = 2;

type Whole = Pick<InventoryReport, "hash" | "inventory">;

/** In the order they are sent. Throws SaiError resource_exhausted for devices beyond all bounds. */
export function inventoryParts({ hash, inventory }: Whole, protocol: number): InventoryReport[] {
  if (inventory === undefined) return [{ hash, inventory, part: 0, more: false }];
  const inOne = protocol < PARTS_SINCE;
  const fitting = bounded(inventory, inOne ? PART_BYTES : WHOLE_BYTES);
  const whole = fitting === inventory && !(inOne && inventory.gpuLook !== "");
  const name = whole ? hash : `${hash}-cut`;
  if (sizeOf(fitting) <= PART_BYTES) return [{ hash: name, inventory: fitting, part: 0, more: false }];
  const parts = inOne ? [fitting] : split(fitting);
  return parts.map((part, i) => ({ hash: name, inventory: part, part: i, more: i < parts.length - 1 }));
}

const sizeOf = (inventory: Inventory): number => Inventory.encode(inventory).finish().byteLength;

function bounded(inventory: Inventory, mostBytes: number): Inventory {
  let fitting = inventory;
  while (sizeOf(fitting) > mostBytes) {
    const longest = fitting.engines.reduce<EngineInfo | undefined>(
      (most, engine) => (namesBytes(engine) > (most ? namesBytes(most) : 0) ? engine : most),
      undefined,
    );
    if (longest === undefined) {
      throw new SaiError(
        "resource_exhausted",
        `the devices of this machine take more than ${mostBytes} bytes`,
      );
    }
    const cut = {
      ...longest,
      models: [],
      unavailable: `the names of its ${longest.models.length} models are more than a coordinator can be told; serve fewer here, or upgrade the coordinators`,
    };
    fitting = { ...fitting, engines: fitting.engines.map((engine) => (engine === longest ? cut : engine)) };
  }
  return fitting;
}

const namesBytes = ({ models }: EngineInfo): number =>
  models.reduce((sum, model) => sum + Buffer.byteLength(model), 0);

function split(inventory: Inventory): Inventory[] {
  const parts: Inventory[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  const room = (own: number): Inventory => {
    if (bytes + own > PART_BYTES) {
      parts.push({ ...inventory, devices: [], gpus: [], engines: [] });
      bytes = 0;
    }
    bytes += own;
    return parts.at(-1) as Inventory;
  };
  for (const device of inventory.devices) room(deviceBytes(device)).devices.push(device);
  for (const gpu of inventory.gpus) room(GpuDescription.encode(gpu).finish().byteLength + 8).gpus.push(gpu);
  for (const engine of inventory.engines) {
    const head = 20 + Buffer.byteLength(engine.kind + engine.version + engine.unavailable);
    room(head).engines.push({ ...engine, models: [] });
    for (const model of engine.models) {
      const part = room(8 + Buffer.byteLength(model));
      if (part.engines.at(-1)?.kind !== engine.kind) {
        part.engines.push({ ...engine, models: [] });
        bytes += head;
      }
      part.engines.at(-1)?.models.push(model);
    }
  }
  return parts;
}

const deviceBytes = ({ uuid, kind, name }: Device): number => 60 + Buffer.byteLength(uuid + kind + name);
