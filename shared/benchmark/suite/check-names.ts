import type { Fields } from "./fields.js";

/** An error for every name that is none of the entries' ids. */
export function checkNames(
  { findings }: Fields,
  field: string,
  names: readonly string[],
  entries: readonly { id: string }[],
  what: string,
): void {
  const ids = entries.map(({ id }) => id);
  for (const name of names) {
    if (ids.includes(name)) continue;
    const hint = findings.suggest(name, ids) || `one of ${ids.slice(0, 10).join(", ")}`;
    findings.error(field, `the suite has no ${what} ${JSON.stringify(name)}`, hint);
  }
}
