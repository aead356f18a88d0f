/** Hello and what follows it: who this agent is, what it holds from before, and what was in flight when it died. */
import { PROTOCOL, spokenText } from "../../shared/domain/protocol.js";
import type { BegunItem, HeldAttempt, Welcome } from "../../shared/gen/sai/agent/v1/session.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Attempts } from "../attempt/attempts.js";
import { begunMessage, heldMessage } from "./convert.js";
import type { Body } from "./outbox.js";

export interface HelloParts {
  version: string;
  inventoryHash: string;
  attempts: Pick<Attempts, "list" | "deaths">;
  /** Why no work is taken; empty if it is. */
  notOffering: string;
  /** A blob in the artifact store; undefined when the store takes none. */
  probe: Extract<Body, { $case: "hello" }>["value"]["probe"];
}

const { oldest, newest } = PROTOCOL;
/** An entry takes at most some 200 bytes, so that so many stay below 256 KiB. */
const ENTRIES_AT_ONCE = 1_000;

/** As many messages as it takes, Hello first. */
export function helloMessages({ version, inventoryHash, attempts, probe, notOffering }: HelloParts): Body[] {
  const entries = [
    // What was told to stop is not held any more, though its sample may still run to its end.
    ...attempts.list().flatMap((held) => (held.winding ? [] : [{ held: heldMessage(held) }])),
    ...attempts.deaths().map((death) => ({ begun: begunMessage(death) })),
  ];
  const bodies: Body[] = [];
  do {
    const part = entries.splice(0, ENTRIES_AT_ONCE);
    const held = part.flatMap((entry): HeldAttempt[] => ("held" in entry ? [entry.held] : []));
    const begun = part.flatMap((entry): BegunItem[] => ("begun" in entry ? [entry.begun] : []));
    const more = entries.length > 0;
    bodies.push(
      bodies.length === 0
        ? {
            $case: "hello",
            value: {
              protocol: oldest,
              newest,
              version,
              inventoryHash,
              probe,
              held,
              begun,
              more,
              notOffering,
            },
          }
        : { $case: "heldMore", value: { held, begun, more } },
    );
  } while (entries.length > 0);
  return bodies;
}

/** The version a coordinator speaks with this agent. Throws SaiError for one that this agent does not know. */
export function spokenBy({ protocol }: Pick<Welcome, "protocol">): number {
  const spoken = protocol === 0 ? 1 : protocol;
  if (spoken >= oldest && spoken <= newest) return spoken;
  const mine = `this agent ${spokenText(PROTOCOL)}`;
  throw new SaiError("failed_precondition", `the coordinator speaks protocol ${spoken}, ${mine}`, {
    hint:
      spoken < oldest
        ? "upgrade the coordinators first, agents after them"
        : "upgrade this agent: install the coordinator's version on it",
  });
}
