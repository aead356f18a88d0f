/**
 * A new campaign: one fenced transaction writes it and its idempotency key, and only then it is acknowledged.
 *
 * 1. An acknowledged campaign exists.
 * 2. One idempotency key, one campaign: requests with one key take turns, so that the second finds what the first made.
 * 3. A store that is nearly full takes no new campaigns, so that there is room to finish those it has; nor does a tenant
 *    that has as many as its quota allows.
 */
import { SaiError } from "../../shared/runtime/errors.js";
import { absent, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { StoreUsage } from "../store/store.js";
import type { CampaignValue } from "../store/values.js";
import type { CampaignEntry } from "./board.js";
import { type KeyState, keyState } from "./idempotency.js";
import { type CampaignParts, commitWrite } from "./parts.js";
import { tenantOf } from "./quotas.js";
import { invalid } from "./request.js";

export interface Asked {
  /** Empty for none. */
  idempotencyKey: string;
  /** Hex; the same key with another one is refused. */
  requestSha256: string;
  /** Whose campaign it would be; absent for the default tenant. */
  tenant?: string | undefined;
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
  asked: Asked,
  make: () => Promise<CampaignValue>,
): Promise<{ entry: CampaignEntry; isNew: boolean }> {
  let value: CampaignValue | undefined;
  for (;;) {
    const state = await keyState(parts, asked.idempotencyKey, asked.requestSha256);
    if (state.kind === "taken") return { entry: known(parts, state.campaign), isNew: false };
    const entry = await parts.quotas.within(tenantOf(asked), async (listed) => {
      await refuseWhenNearlyFull(parts);
      value ??= await make();
      if (!(await isStored(parts, value, state))) return undefined;
      const added = parts.board.add(value);
      listed();
      return added;
    });
    if (entry === undefined) continue; // the key was swept meanwhile; look again
    const { id, name } = entry.value;
    parts.events.add("campaign.submitted", { campaign: id }, `${name} was submitted`);
    return { entry, isNew: true };
  }
}

/** Writes a campaign under its key; false when the key is not as it was. */
async function isStored(
  parts: CampaignParts,
  value: CampaignValue,
  state: KeyState & { kind: "free" },
): Promise<boolean> {
  const key = keys.campaign(value.id);
  const claim = state.claim(value.id, value.createdMs);
  const answer = await commitWrite(parts, {
    compare: [absent(key), ...claim.compare],
    ops: [put(key, value), ...claim.ops],
  });
  // A campaign of this id is ours: the answer to the first sending was lost.
  return answer.kind === "committed" || answer.conflicts.some((c) => c.key === key.key && c.kv);
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
