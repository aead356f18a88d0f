/** Nodes that failures cling to: what they are given, how many they are, and that a new leader knows of them. */
import type { Fleet } from "../../coordinator/sessions/fleet.js";
import type { StoreEvent } from "../../coordinator/store/store.js";
import type { Fail } from "./violations.js";

/** Of the three or four that there are. */
const MOST = 1;

export class HealthWatch {
  /** Nodes with a record. */
  private readonly blamed = new Set<string>();

  constructor(private readonly fail: Fail) {}

  /** A record was written or removed. */
  stored({ type, kv }: StoreEvent): void {
    const id = kv.key.split("/").at(-1) ?? "";
    if (type === "delete") this.blamed.delete(id);
    else this.blamed.add(id);
  }

  /** A leader begins. */
  restored(fleet: Fleet): void {
    for (const id of this.blamed) {
      const node = fleet.node(id);
      if (node?.quarantine.kind === "none")
        this.fail("a quarantine outlives its leader", `${id} is not known to be blamed for anything`);
    }
  }

  /** A leader gives a node an attempt. */
  given(fleet: Fleet, id: string): void {
    if (fleet.node(id)?.quarantine.kind === "quarantined")
      this.fail("a quarantined node gets nothing new", `${id} is given an attempt`);
  }

  look(fleet: Fleet): void {
    // Whoever takes no work anyway is missed by nobody.
    const out = fleet
      .list()
      .filter(
        ({ quarantine, state, cordon }) =>
          quarantine.kind === "quarantined" && state.kind === "READY" && cordon.kind === "open",
      );
    if (out.length > MOST)
      this.fail("few nodes are quarantined at once", out.map(({ id }) => id).join(" and "));
  }
}
