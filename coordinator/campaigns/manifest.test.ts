import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { type ArtifactStore, putCas } from "../../shared/artifacts/store.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { systemRandom } from "../../shared/runtime/random.js";
import type { DoneValue } from "../store/values.js";
import { manifestBytes, readManifest, type ShardRecord } from "./manifest.js";

let folder: string;
let artifacts: ArtifactStore;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sai-manifest-"));
  artifacts = await openFolderStore(folder, systemRandom);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Every look at it finds that a long time has passed. */
function busyClock(): { clock: Clock; pauses(): number } {
  let nowMs = 0;
  let pauses = 0;
  const nextMs = () => {
    nowMs += 1000;
    return nowMs;
  };
  const sleep = async () => void pauses++;
  return { clock: { nowMs: nextMs, sleep } as unknown as Clock, pauses: () => pauses };
}

const SHARDS = 1000;

async function* records(): AsyncGenerator<ShardRecord> {
  for (let index = 0; index < SHARDS; index++) {
    const about = { kind: "result", fence: `1.${index}`, agent: "n1", sha256: "0".repeat(64), sizeBytes: 9 };
    const inline = index % 2 === 0 ? { inline: Buffer.from(`räuchern ${index}\n`) } : {};
    yield [index, { v: 1, ...about, ...inline } as unknown as DoneValue];
  }
}

test("what was written is read back, line by line, with pauses on the way there and back", async () => {
  const writing = busyClock();
  const sha256 = await putCas(artifacts, await manifestBytes("c-1", "j0000", records(), writing.clock));
  const reading = busyClock();
  const read = await readManifest(artifacts, sha256, reading.clock);
  const written: ShardRecord[] = [];
  for await (const record of records()) written.push(record);
  expect(read).toEqual(written);
  expect(writing.pauses()).toBeGreaterThan(10);
  expect(reading.pauses()).toBeGreaterThan(10);
});

test("a manifest of another version is said to be one, and an empty one is damaged", async () => {
  const { clock } = busyClock();
  const other = await putCas(artifacts, Buffer.from('{"v":9}\n'));
  await expect(readManifest(artifacts, other, clock)).rejects.toThrow(/job manifest .* version/);
  const empty = await putCas(artifacts, Buffer.alloc(0));
  await expect(readManifest(artifacts, empty, clock)).rejects.toBeInstanceOf(SyntaxError);
});
