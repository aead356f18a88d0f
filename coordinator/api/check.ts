/** What requests of several services have in common, and how each is refused when it is none. */
import { type FieldViolation, SaiError } from "../../shared/runtime/errors.js";

const NAME = /^[A-Za-z0-9._:/@-]{1,128}$/;
const MAX_REASON = 500;

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

/** What is wrong with a change of labels whatever the node has; what a key may be, the fleet says. */
export function labelFields(change: {
  set: Readonly<Record<string, string>>;
  unset: readonly string[];
}): (FieldViolation | undefined)[] {
  const { set, unset } = change;
  const none = Object.keys(set).length === 0 && unset.length === 0;
  return [
    none ? { field: "set", description: "or unset is required" } : undefined,
    ...Object.entries(set).map(([key, value]) => {
      const field = `set[${key.slice(0, 80)}]`;
      if (unset.includes(key)) return { field, description: "is in unset too" };
      return /\p{Cc}/u.test(value) ? { field, description: "the value has control characters" } : undefined;
    }),
  ];
}
