import { join } from "node:path";
import type { Disk } from "../../shared/runtime/disk.js";

/**
 * Counts the starts of the agent that owns `dir`, from 1, in a small file there: a coordinator tells by it which of two
 * sessions in one name is the newer. Throws what the disk throws: a start that cannot be counted must not be made.
 */
export async function nextIncarnation(disk: Disk, dir: string): Promise<bigint> {
  await disk.mkdir(dir);
  const path = join(dir, "incarnation");
  const text = (await disk.read(path))?.toString("utf8").trim() ?? "0";
  const next = (/^\d{1,18}$/.test(text) ? BigInt(text) : 0n) + 1n;
  await disk.writeAtomic(path, `${next}\n`);
  return next;
}
