/**
 * Baselines: names for campaigns that others are compared with. They live in the state store, so that everybody who gates
 * against `release` means the same campaign, and a new leader knows them.
 *
 * 1. A name is no campaign's id, so that either can be given wherever one is asked for.
 * 2. A baseline names a campaign that has ended; its results do not change any more.
 */
import { SaiError } from "../../shared/runtime/errors.js";
import { del, put } from "../store/fenced-store.js";
import { decode, keys } from "../store/keys.js";
import type { BaselineValue } from "../store/values.js";
import { isEnded } from "./board.js";
import { type CampaignParts, write } from "./parts.js";

type Parts = Pick<CampaignParts, "board" | "clock" | "state" | "store" | "log">;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MOST = 1000;

/** Names a campaign; the one it named before, if any. Throws invalid_argument, not_found and failed_precondition. */
export async function setBaseline(
  parts: Parts,
  name: string,
  campaign: string,
): Promise<{ value: BaselineValue; before: BaselineValue | undefined }> {
  checkName(name);
  if (parts.board.campaign(name) !== undefined) throw refused("name", `${name} is the id of a campaign`); // invariant 1
  const entry = parts.board.campaign(campaign);
  if (entry === undefined)
    throw new SaiError("not_found", `no campaign ${campaign.slice(0, 80)}`, {
      hint: "`sai campaign list` shows those there are",
    });
  if (!isEnded(entry.value.state))
    throw new SaiError("failed_precondition", `campaign ${campaign} has not ended`, {
      hint: "a baseline's results must not change any more; wait for its end",
    });
  const before = await find(parts, name);
  if (before === undefined && (await listBaselines(parts)).length >= MOST)
    throw new SaiError("resource_exhausted", `there are ${MOST} baselines already`, {
      hint: "`sai baseline remove` forgets one",
    });
  const value = { name, campaign, setMs: parts.clock.wallMs() };
  await write(parts, { ops: [put(keys.baseline(name), value)] });
  parts.log.info({ baseline: name, campaign, before: before?.campaign }, "baseline set");
  return { value, before };
}

/** Throws invalid_argument and not_found. */
export async function getBaseline(parts: Parts, name: string): Promise<BaselineValue> {
  checkName(name);
  const value = await find(parts, name);
  if (value === undefined) throw noBaseline(name);
  return value;
}

/** By name. */
export async function listBaselines(parts: Pick<Parts, "state">): Promise<BaselineValue[]> {
  const found: BaselineValue[] = [];
  for await (const { kvs } of parts.state.list(keys.baselines))
    for (const kv of kvs) found.push(decode(keys.baselines.codec, kv));
  return found;
}

/** What it was. Throws invalid_argument and not_found. */
export async function removeBaseline(parts: Parts, name: string): Promise<BaselineValue> {
  const value = await getBaseline(parts, name);
  await write(parts, { ops: [del(keys.baseline(name))] });
  parts.log.info({ baseline: name, campaign: value.campaign }, "baseline removed");
  return value;
}

/** The campaign that a text names by its id or as a baseline. Throws not_found. */
export async function campaignNamed(
  parts: Pick<Parts, "board" | "state">,
  text: string,
): Promise<{ campaign: string; baseline: string }> {
  if (parts.board.campaign(text) !== undefined) return { campaign: text, baseline: "" };
  const value = NAME.test(text) ? await find(parts, text) : undefined;
  if (value === undefined) throw noBaseline(text, "campaign or baseline");
  return { campaign: value.campaign, baseline: text };
}

async function find({ state }: Pick<Parts, "state">, name: string): Promise<BaselineValue | undefined> {
  const key = keys.baseline(name);
  const { kv } = await state.get(key.key);
  return kv && decode(key.codec, kv);
}

function checkName(name: string): void {
  if (!NAME.test(name))
    throw refused(
      "name",
      `is ${JSON.stringify(name.slice(0, 80))}; it has 1 to 64 letters, digits, and . _ - within`,
    );
}

const refused = (field: string, description: string): SaiError =>
  new SaiError("invalid_argument", "that is no name for a baseline", {
    violations: [{ field, description }],
  });

const noBaseline = (name: string, what = "baseline"): SaiError =>
  new SaiError("not_found", `no ${what} ${name.slice(0, 80)}`, {
    hint: "`sai baseline list` and `sai campaign list` show those there are",
  });
