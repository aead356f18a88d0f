/**
 * The folder of journals at the start of the agent: every file is read, what cannot be used is moved aside with a word
 * in the log, and nothing that was recorded is thrown away. Files moved aside end in `.damaged` or `.foreign`; they are
 * for people and can be removed at any time.
 */
import { join } from "node:path";
import type { Fence } from "../../shared/domain/fence.js";
import { fenceText } from "../../shared/domain/fence.js";
import type { Disk } from "../../shared/runtime/disk.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import { journalPath } from "./journal.js";
import { type Replayed, replay } from "./replay.js";

const SUFFIX = ".jsonl";

/**
 * What the journals in `dir` say of attempts of `cluster`, by name; those of another cluster are moved aside, and all
 * of them when `cluster` is empty, because this agent was told to forget where it belongs. Throws SaiError when the
 * folder or a file cannot be read.
 */
export async function readJournals(
  disk: Disk,
  dir: string,
  cluster: string,
  log: Logger,
): Promise<Replayed[]> {
  const found: Replayed[] = [];
  for (const file of (await disk.list(dir)).filter((name) => name.endsWith(SUFFIX))) {
    const path = join(dir, file);
    const text = (await disk.read(path))?.toString("utf8") ?? "";
    const read = replay(file.slice(0, -SUFFIX.length), text);
    if (read.kind === "empty") await disk.remove(path);
    else if (read.kind === "foreign") {
      log.error({ path, reason: read.why }, "a journal cannot be read and was moved aside");
      await disk.rename(path, `${path}.damaged`);
    } else if (read.found.origin.cluster !== cluster) {
      const { origin } = read.found;
      log.warn({ path, cluster: origin.cluster }, "a journal of another cluster was moved aside");
      await disk.rename(path, `${path}.foreign`);
    } else {
      if (read.found.damage.length > 0) await setAside(disk, path, read.found, log);
      found.push(read.found);
    }
  }
  return found;
}

/** One journal, read again; undefined when it is gone or says nothing. Throws SaiError when it cannot be read. */
export async function readJournal(disk: Disk, dir: string, fence: Fence): Promise<Replayed | undefined> {
  const text = await disk.read(journalPath(dir, fence));
  const read = text && replay(fenceText(fence), text.toString("utf8"));
  return read?.kind === "journal" ? read.found : undefined;
}

/** Keeps the damaged lines for people and the sound ones for us. On a full disk the file stays as it is: it is readable. */
async function setAside(
  disk: Disk,
  path: string,
  { damage, sound, records }: Replayed,
  log: Logger,
): Promise<void> {
  const about = { path, lines: damage.length, records: records.length };
  try {
    await disk.writeAtomic(`${path}.damaged`, `${damage.join("\n")}\n`);
    await disk.writeAtomic(path, sound);
    log.error(about, "a journal is damaged: its damaged lines were moved aside, the others are used");
  } catch (error) {
    log.error(
      { ...about, reason: errorText(error) },
      "a journal is damaged and cannot be put in order; it is used",
    );
  }
}
