/** The summary as JSON for machines: stable bytes, so that two exports of the same results can be compared by hash. */
import type { Summary } from "../../shared/benchmark/summary.js";

/** Names the shape of the document; the number rises when a reader would have to change. */
export const SUMMARY_SCHEMA = "sai.summary/v1";

/**
 * Pretty JSON, `schema` first, then keys sorted at every depth. Absent fields are left out and what JSON cannot say
 * (NaN, infinities) is null, so a metric without `value` is n/a. Ends with a line feed.
 */
export function renderJson(summary: Summary): string {
  const body = sorted(summary) as object;
  return `${JSON.stringify({ schema: SUMMARY_SCHEMA, ...body }, null, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  // Object.fromEntries defines keys instead of assigning them, so a flag named __proto__ stays a key.
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}
