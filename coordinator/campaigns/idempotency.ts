/**
 * Idempotency keys: one key, one campaign. The same request again returns it, another request is refused. A key stands
 * for its campaign for a time (7 days by default); after that it may be used anew, and is swept.
 *
 * 1. Whether a key may be used, and the compare that makes sure of it, come from one reading of it.
 * 2. Sweeping deletes a key only as it was when it was found to have expired.
 */
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { absent, del, holds, put } from "../store/fenced-store.js";
import { decode, keys } from "../store/keys.js";
import type { Cmp, KV, Op } from "../store/store.js";
import type { IdemValue } from "../store/values.js";
import { type CampaignParts, commitWrite } from "./parts.js";

/** How a new campaign takes a key: what must hold, and what is written with it. */
export interface KeyClaim {
  compare: Cmp[];
  ops: Op[];
}

export type KeyState =
  /** It stands for a campaign. */
  | { kind: "taken"; campaign: string }
  | { kind: "free"; claim(campaign: string, createdMs: number): KeyClaim };

/** What a key (empty: none) stands for now. Throws already_exists when it was given with another request. */
export async function keyState(
  parts: Pick<CampaignParts, "state" | "clock" | "idempotencyTtlMs">,
  idempotencyKey: string,
  requestSha256: string,
): Promise<KeyState> {
  if (idempotencyKey === "") return { kind: "free", claim: () => ({ compare: [], ops: [] }) };
  const key = keys.idem(sha256(idempotencyKey));
  const { kv } = await parts.state.get(key.key);
  const idem = kv && decode(key.codec, kv);
  if (idem !== undefined && !hasExpired(parts, idem)) {
    if (idem.requestSha256 === requestSha256) return { kind: "taken", campaign: idem.campaign };
    const what = `the idempotency key was used for campaign ${idem.campaign} with another request`;
    throw new SaiError("already_exists", what, { hint: "send the same request again, or use a new key" });
  }
  // Invariant 1.
  const compare: Cmp[] = [kv === undefined ? absent(key) : unchanged(kv)];
  return {
    kind: "free",
    claim: (campaign, createdMs) => ({ compare, ops: [put(key, { requestSha256, campaign, createdMs })] }),
  };
}

const SWEPT_AT_ONCE = 100;

/** Deletes keys that have expired; how many. Throws what `commitWrite` throws; the rest is for the next time. */
export async function sweepIdempotency(
  parts: Pick<CampaignParts, "state" | "clock" | "idempotencyTtlMs" | "store">,
): Promise<number> {
  const expired: KV[] = [];
  for await (const { kvs } of parts.state.list(keys.idems)) {
    for (const kv of kvs) if (hasExpired(parts, decode(keys.idems.codec, kv))) expired.push(kv);
  }
  let swept = 0;
  for (let i = 0; i < expired.length; i += SWEPT_AT_ONCE) {
    let batch = expired.slice(i, i + SWEPT_AT_ONCE);
    while (batch.length > 0) {
      // Invariant 2.
      const answer = await commitWrite(parts, {
        compare: batch.map(unchanged),
        ops: batch.map(({ key }) => del({ key, codec: keys.idems.codec })),
      });
      if (answer.kind === "committed") {
        swept += batch.length;
        break;
      }
      const now = new Map(answer.conflicts.map((c) => [c.key, c.kv]));
      batch = batch.filter((kv) => !now.has(kv.key) || holds(unchanged(kv), now.get(kv.key)));
    }
  }
  return swept;
}

const unchanged = (kv: KV): Cmp => ({ key: kv.key, target: "mod", op: "=", operand: kv.modRev });

const hasExpired = (
  { clock, idempotencyTtlMs }: Pick<CampaignParts, "clock" | "idempotencyTtlMs">,
  idem: IdemValue,
): boolean => clock.wallMs() - idem.createdMs > idempotencyTtlMs;
