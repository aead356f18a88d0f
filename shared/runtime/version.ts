import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The program's version, such as `0.1.0`, from the nearest package.json above this file: in the sources and in dist/. */
export const version: string = readVersion(dirname(fileURLToPath(import.meta.url)));

function readVersion(folder: string): string {
  const path = join(folder, "package.json");
  if (existsSync(path)) {
    const { version: found } = JSON.parse(readFileSync(path, "utf8")) as { version?: string };
    return found ?? "unknown";
  }
  return folder === dirname(folder) ? "unknown" : readVersion(dirname(folder));
}
