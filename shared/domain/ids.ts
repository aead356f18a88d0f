/**
 * Names. Ids sort by age, are safe in keys, paths and URLs, and are made from a time and randomness that the caller
 * passes in.
 */

/** Where ids take their randomness from; `Random` of shared/runtime fits. */
export interface IdSource {
  /** `n` characters of [0-9a-z]. */
  id(n: number): string;
}

/** Crockford's base 32 in lower case: digits sort before letters, and i, l, o, u are left out. */
const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS = 10;
const CAMPAIGN_ID = /^c-([0-9a-hjkmnp-tv-z]{10})-([0-9a-z]{6})$/;

/** `c-<10 characters of time>-<6 random>`; ids made later sort later. `wallMs` is ms since 1970, below 2^50. */
export function campaignId(wallMs: number, random: IdSource): string {
  if (!Number.isFinite(wallMs) || wallMs < 0 || wallMs >= 2 ** 50) {
    throw new RangeError(`${wallMs} ms is no time a campaign id can carry`);
  }
  let rest = Math.floor(wallMs);
  let text = "";
  for (let i = 0; i < TIME_CHARS; i++) {
    text = BASE32.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return `c-${text}-${random.id(6)}`;
}

/** The ms since 1970 a campaign id was made at; undefined if it is no campaign id. */
export function campaignIdWallMs(id: string): number | undefined {
  const match = CAMPAIGN_ID.exec(id);
  if (!match) return undefined;
  let ms = 0;
  for (const char of match[1] ?? "") ms = ms * 32 + BASE32.indexOf(char);
  return ms;
}

export const isCampaignId = (id: string): boolean => CAMPAIGN_ID.test(id);

/** `j0000`, `j0001`, … by position in the plan. */
export const jobId = (index: number): string => `j${String(index).padStart(4, "0")}`;

/** Position in the plan; undefined if it is no job id. */
export function jobIndex(id: string): number | undefined {
  if (!/^j(\d{4}|[1-9]\d{4,6})$/.test(id)) return undefined;
  return Number(id.slice(1));
}

/** `<node>/<uuid>`: a device's name in the fleet. */
export const deviceId = (node: string, uuid: string): string => `${node}/${uuid}`;

/** The parts of a device id; undefined if it is none. */
export function parseDeviceId(id: string): { node: string; uuid: string } | undefined {
  const slash = id.indexOf("/");
  if (slash < 1 || slash === id.length - 1) return undefined;
  return { node: id.slice(0, slash), uuid: id.slice(slash + 1) };
}

/** What is wrong with a node's or tenant's name, for people; undefined if it can be used. */
export function nameProblem(name: string): string | undefined {
  if (name.length === 0) return "is empty";
  if (name.length > 63) return `has ${name.length} characters, at most 63 are allowed`;
  if (!/^[a-z0-9]/.test(name)) return "must begin with a lower-case letter or a digit";
  if (!/[a-z0-9]$/.test(name)) return "must end with a lower-case letter or a digit";
  const odd = /[^a-z0-9._-]/u.exec(name);
  if (odd) return `has the character ${JSON.stringify(odd[0])}; allowed are a-z, 0-9, '.', '_' and '-'`;
  if (name.includes("..")) return "has two dots in a row";
  return undefined;
}
