/**
 * A job's manifest: what its done records said, inline results included, as one artifact that outlives them. JSON lines:
 * a head, then one line a shard in order of the shards, each as canonical JSON, so that equal records give equal bytes.
 */

import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { getCas } from "../../shared/artifacts/store.js";
import { canonicalJson, type Json } from "../../shared/benchmark/json.js";
import { ForeignVersion } from "../../shared/runtime/foreign-version.js";
import type { DoneValue } from "../store/values.js";

export type ShardRecord = readonly [index: number, done: DoneValue];

/** Bytes of the manifest of these records, which come in order of their shards. */
export async function manifestBytes(
  campaign: string,
  job: string,
  records: AsyncIterable<ShardRecord>,
): Promise<Buffer> {
  const pieces: Buffer[] = [Buffer.from(`${canonicalJson({ v: 1, campaign, job })}\n`)];
  let lines = "";
  for await (const [index, done] of records) {
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
export const readManifest = async (artifacts: ArtifactStore, sha256: string): Promise<ShardRecord[]> =>
  parseJobManifest(await getCas(artifacts, sha256), sha256);

/** The records of a manifest, in order of their shards; `name` is for the error of one that cannot be read. */
export function parseJobManifest(bytes: Buffer, name: string): ShardRecord[] {
  const [head = "", ...lines] = bytes.toString("utf8").trimEnd().split("\n");
  const { v } = JSON.parse(head) as { v?: unknown };
  if (v !== 1) throw new ForeignVersion(`the job manifest ${name}`, v, [1]);
  return lines.map((line) => {
    const { index, inline, ...done } = JSON.parse(line) as DoneValue & { index: number; inline?: string };
    return [
      index,
      inline === undefined ? done : { ...done, inline: Buffer.from(inline, "base64") },
    ] as ShardRecord;
  });
}

/** Records that travel with the result are base64 here. */
function asJson(done: DoneValue): { [field: string]: Json } {
  const inline =
    "inline" in done && done.inline ? { inline: Buffer.from(done.inline).toString("base64") } : {};
  return { ...done, ...inline } as unknown as { [field: string]: Json };
}
