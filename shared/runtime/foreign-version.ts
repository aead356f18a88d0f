/** Something another version of this program wrote, in a form that this one does not read (ADR 0017). */
import { SaiError } from "./errors.js";

/** Nothing is wrong with it: nobody may act as if it were damaged or gone. */
export class ForeignVersion extends SaiError {
  /** `what`: such as `the plan 1234`; `seen`: its version as found; `read`: those that are read here. */
  constructor(what: string, seen: unknown, read: readonly number[]) {
    const newest = Math.max(...read);
    super(
      "failed_precondition",
      `${what} has version ${JSON.stringify(seen)}, this program reads version ${read.join(" and ")}`,
      {
        hint:
          typeof seen === "number" && seen > newest
            ? "a newer program wrote it: upgrade this one (coordinators first, agents after them); delete nothing"
            : "an older program wrote it: go back to the version before this one, and upgrade over each version between; delete nothing",
      },
    );
    this.name = "ForeignVersion";
  }
}
