import { join } from "node:path";
import type { Disk } from "../../shared/runtime/disk.js";

/**
 * Counts the starts of the agent that owns `dir`, from 1, in a small file there: a coordinator tells by it which of two
 * sessions in one name is the newer, and which deaths are the same. `note` writes this start's number down and throws
 * what the disk throws; before that nothing may begin, since the next start would have the same number.
 */
export async function nextIncarnation(
  disk: Disk,
  dir: string,
): Promise<{ incarnation: bigint; note(): Promise<void> }> {
  const path = join(dir, "incarnation");
  const text = (await disk.read(path))?.toString("utf8").trim() ?? "0";
  const incarnation = (/^\d{1,18}$/.test(text) ? BigInt(text) : 0n) + 1n;
  return {
    incarnation,
    async note() {
      await disk.mkdir(dir);
      await disk.writeAtomic(path, `${incarnation}\n`);
    },
  };
}
