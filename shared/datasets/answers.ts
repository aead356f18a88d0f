/**
 * The answers of a job, for its judges: pieces of `shardSize` samples each, made when the job has ended. A piece begins with
 * the SHA-256 of the rest, so that it proves itself; what is not in it has no answer.
 */
import { SaiError } from "../runtime/errors.js";
import { sha256 } from "../runtime/hash.js";

export const answersKey = (campaign: string, job: string, piece: number): string =>
  `run/${campaign}/${job}/answers/${piece}.jsonl`;

export const pieceOf = (ordinal: number, shardSize: number): number => Math.floor(ordinal / shardSize);

/** By ordinal; the same answers give the same bytes. */
export function answersBytes(answers: ReadonlyMap<number, string>): Buffer {
  const sorted = [...answers].sort(([a], [b]) => a - b);
  const text = sorted.map((answer) => `${JSON.stringify(answer)}\n`).join("");
  return Buffer.from(`${sha256(Buffer.from(text))}\n${text}`);
}

/** Throws internal for what is damaged. */
export function parseAnswers(bytes: Buffer, key: string): Map<number, string> {
  const end = bytes.indexOf("\n") + 1;
  const text = bytes.subarray(end);
  if (bytes.subarray(0, Math.max(0, end - 1)).toString() !== sha256(text))
    throw new SaiError("internal", `the answers in ${key} are damaged`, {
      hint: "remove it and restart the coordinator, which makes it again",
    });
  const lines = text
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "");
  return new Map(lines.map((line) => JSON.parse(line) as [number, string]));
}
