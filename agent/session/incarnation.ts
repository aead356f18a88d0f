import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Counts the starts of the agent that owns `dir`, from 1, in a small file there: a coordinator tells by it which of two
 * sessions in one name is the newer.
 */
export async function nextIncarnation(dir: string): Promise<bigint> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, "incarnation");
  const text = await readFile(path, "utf8").catch(() => "0");
  const next = (/^\d{1,18}$/.test(text.trim()) ? BigInt(text.trim()) : 0n) + 1n;
  await writeFile(`${path}.tmp`, `${next}\n`, { flush: true });
  await rename(`${path}.tmp`, path);
  return next;
}
