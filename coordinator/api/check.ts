/** What requests of several services have in common, and how each is refused when it is none. */
import { type FieldViolation, SaiError } from "../../shared/runtime/errors.js";

const NAME = /^[A-Za-z0-9._:/@-]{1,128}$/;
const MAX_REASON = 500;
const MAX_LABELS = 64;

/** Refuses with every violation there is; says nothing when there is none. */
export function refuseAll(found: (FieldViolation | undefined)[]): void {
  const violations = found.filter((violation) => violation !== undefined);
  if (violations.length > 0)
    throw new SaiError("invalid_argument", "the request cannot be accepted", { violations });
}

/** The id of a node, as it may be written. */
export const nodeId = (id: string): FieldViolation | undefined =>
  NAME.test(id)
    ? undefined
    : {
        field: "id",
        description: id === "" ? "is required" : "is no node's name (letters, digits, . _ : / @ -)",
      };

/** A sentence for people, on one line. */
export function reasonField(reason: string): FieldViolation | undefined {
  if (reason.length > MAX_REASON)
    return { field: "reason", description: `has ${reason.length} characters, at most ${MAX_REASON}` };
  return /\p{Cc}/u.test(reason) ? { field: "reason", description: "has control characters" } : undefined;
}

/** The priority of a campaign, when one was given. */
export const priorityField = (priority: number | undefined): FieldViolation | undefined =>
  priority !== undefined && Math.abs(priority) > 1000
    ? { field: "priority", description: `is ${priority}, allowed are -1000 to 1000` }
    : undefined;

/** Everything wrong with a change of labels; `now` are those the node has. */
export function labelFields(
  change: { set: Readonly<Record<string, string>>; unset: readonly string[] },
  now: Readonly<Record<string, string>>,
): FieldViolation[] {
  const { set, unset } = change;
  const found: FieldViolation[] = [];
  const shown = (text: string) => JSON.stringify(text.slice(0, 80));
  const rule = "letters, digits and . _ : / @ -, 1 to 128 characters";
  for (const [key, value] of Object.entries(set)) {
    if (!NAME.test(key)) found.push({ field: "set", description: `${shown(key)} is no key: ${rule}` });
    else if (!NAME.test(value))
      found.push({ field: `set.${key}`, description: `${shown(value)} is no value: ${rule}` });
    else if (unset.includes(key)) found.push({ field: `set.${key}`, description: "is in unset too" });
  }
  for (const [i, key] of unset.entries())
    if (!NAME.test(key))
      found.push({ field: `unset[${i}]`, description: `${shown(key)} is no key: ${rule}` });
  if (Object.keys(set).length === 0 && unset.length === 0)
    found.push({ field: "set", description: "or unset is required" });
  const after = new Set([...Object.keys(now), ...Object.keys(set)]);
  for (const key of unset) after.delete(key);
  if (after.size > MAX_LABELS)
    found.push({
      field: "set",
      description: `the node would have ${after.size} labels, at most ${MAX_LABELS}`,
    });
  return found;
}
