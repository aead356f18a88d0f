/**
 * A job's manifest: what its done records said, inline results included, as one artifact that outlives them. JSON lines:
 * a head, then one line a shard in order of the shards, each as canonical JSON, so that equal records give equal bytes.
 * One of a hundred thousand shards has a hundred megabytes: it is written and read line by line, with pauses.
 */

import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { getCas } from "../../shared/artifacts/store.js";
import { canonicalJson, type Json } from "../../shared/benchmark/json.js";
import { Breath } from "../../shared/runtime/breath.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { ForeignVersion } from "../../shared/runtime/foreign-version.js";
import type { DoneValue } from "../store/values.js";

export type ShardRecord = readonly [index: number, done: DoneValue];

/** Bytes of the manifest of these records, which come in order of their shards. */
export async function manifestBytes(
  campaign: string,
  job: string,
  records: AsyncIterable<ShardRecord>,
  clock: Clock,
): Promise<Buffer> {
  const breath = new Breath(clock);
  const pieces: Buffer[] = [Buffer.from(`${canonicalJson({ v: 1, campaign, job })}\n`)];
  let lines = "";
  for await (const [index, done] of records) {
    if (breath.isDue()) await breath.take();
    lines += `${canonicalJson({ index, ...asJson(done) })}\n`;
    if (lines.length < PIECE) continue;
    pieces.push(Buffer.from(lines));
    lines = "";
  }
  pieces.push(Buffer.from(lines));
  return Buffer.concat(pieces);
}
const PIECE = 256 * 1024;

/** The manifest of that hash. Throws not_found, or internal for other bytes. */
export async function readManifest(
  artifacts: ArtifactStore,
  sha256: string,
  clock: Clock,
): Promise<ShardRecord[]> {
  const bytes = await getCas(artifacts, sha256);
  const breath = new Breath(clock);
  const records: ShardRecord[] = [];
  for (const record of parseJobManifest(bytes, sha256)) {
    if (breath.isDue()) await breath.take();
    records.push(record);
  }
  return records;
}

/** The records of a manifest, in order of their shards; `name` is for the error of one that cannot be read. */
export function* parseJobManifest(bytes: Buffer, name: string): Generator<ShardRecord, void, undefined> {
  const lines = linesOf(bytes);
  const { v } = JSON.parse(lines.next().value ?? "") as { v?: unknown };
  if (v !== 1) throw new ForeignVersion(`the job manifest ${name}`, v, [1]);
  for (const line of lines) {
    const { index, inline, ...done } = JSON.parse(line) as DoneValue & { index: number; inline?: string };
    yield [
      index,
      inline === undefined ? done : { ...done, inline: Buffer.from(inline, "base64") },
    ] as ShardRecord;
  }
}

/** One by one: a string of them all may be longer than strings can be. */
function* linesOf(bytes: Buffer): Generator<string, void, undefined> {
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, from);
    const to = end < 0 ? bytes.length : end;
    yield bytes.toString("utf8", from, to);
    from = to + 1;
  }
}
const NEWLINE = 10;

/** Records that travel with the result are base64 here. */
function asJson(done: DoneValue): { [field: string]: Json } {
  const inline =
    "inline" in done && done.inline ? { inline: Buffer.from(done.inline).toString("base64") } : {};
  return { ...done, ...inline } as unknown as { [field: string]: Json };
}
