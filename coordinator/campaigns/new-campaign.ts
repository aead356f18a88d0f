/**
 * A new campaign: one fenced transaction writes it and its idempotency key, and only then it is acknowledged.
 *
 * 1. An acknowledged campaign exists.
 * 2. One idempotency key, one campaign: requests with one key take turns, so that the second finds what the first made.
 * 3. A store that is nearly full takes no new campaigns, so that there is room to finish those it has.
 */
import { SaiError } from "../../shared/runtime/errors.js";
import { absent, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { StoreUsage } from "../store/store.js";
import type { CampaignValue } from "../store/values.js";
import type { CampaignEntry } from "./board.js";
import { keyState } from "./idempotency.js";
import { type CampaignParts, commitWrite } from "./parts.js";
import { invalid } from "./request.js";

export interface Asked {
  /** Empty for none. */
  idempotencyKey: string;
  /** Hex; the same key with another one is refused. */
  requestSha256: string;
}

/** Stores the campaign that `make` makes, unless the key stands for one. Throws what `make` throws. */
export function storeCampaign(
  parts: CampaignParts,
  asked: Asked,
  make: () => Promise<CampaignValue>,
): Promise<{ entry: CampaignEntry; isNew: boolean }> {
  const key = asked.idempotencyKey;
  if (key.length > 256) {
    throw invalid([{ field: "idempotency_key", description: `has ${key.length} characters, at most 256` }]);
  }
  if (key === "") return store(parts, asked, make);
  // Invariant 2.
  const mine = (parts.submitting.get(key) ?? Promise.resolve()).then(() => store(parts, asked, make));
  const settled = mine
    .catch(() => {})
    .then(() => {
      if (parts.submitting.get(key) === settled) parts.submitting.delete(key);
    });
  parts.submitting.set(key, settled);
  return mine;
}

async function store(
  parts: CampaignParts,
  { idempotencyKey, requestSha256 }: Asked,
  make: () => Promise<CampaignValue>,
): Promise<{ entry: CampaignEntry; isNew: boolean }> {
  let value: CampaignValue | undefined;
  for (;;) {
    const state = await keyState(parts, idempotencyKey, requestSha256);
    if (state.kind === "taken") return { entry: known(parts, state.campaign), isNew: false };
    await refuseWhenNearlyFull(parts);
    value ??= await make();
    const key = keys.campaign(value.id);
    const claim = state.claim(value.id, value.createdMs);
    const answer = await commitWrite(parts, {
      compare: [absent(key), ...claim.compare],
      ops: [put(key, value), ...claim.ops],
    });
    // A campaign of this id is ours: the answer to the first sending was lost.
    if (answer.kind === "committed" || answer.conflicts.some((c) => c.key === key.key && c.kv)) break;
    // The key was swept meanwhile; look again.
  }
  const entry = parts.board.add(value);
  parts.events.add("campaign.submitted", { campaign: value.id }, `${value.name} was submitted`);
  return { entry, isNew: true };
}

function known({ board }: CampaignParts, id: string): CampaignEntry {
  const entry = board.campaign(id);
  if (entry !== undefined) return entry;
  throw new SaiError("not_found", `the idempotency key stands for campaign ${id}, which is gone`, {
    hint: "use a new key",
  });
}

const FULL_SHARE = 0.7;

/** Why a store with this usage gets no new campaigns; empty if it does. */
export function whyRefused({ usedBytes, quotaBytes, closedFor }: StoreUsage): string {
  if (closedFor !== undefined) return closedFor;
  if (usedBytes <= FULL_SHARE * quotaBytes) return "";
  const percent = Math.round((100 * usedBytes) / quotaBytes);
  return `the state store is ${percent} % full, new campaigns are accepted below ${100 * FULL_SHARE} %`;
}

async function refuseWhenNearlyFull({ usage }: CampaignParts): Promise<void> {
  const why = usage === undefined ? "" : whyRefused(await usage());
  if (why === "") return;
  throw new SaiError("resource_exhausted", why, {
    hint: "wait until running campaigns have been sealed, or give the state store more room",
  });
}
