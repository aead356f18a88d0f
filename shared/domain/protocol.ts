/**
 * The versions of sai.agent.v1 that this program speaks: its own and the one before, so that agents and coordinators are
 * upgraded one after the other (ADR 0017).
 *
 * 1. Fields and messages are added, never changed, and whoever does not know them goes on without. That needs no new
 *    version: nobody may require what a peer of the other version does not know.
 * 2. A new version is for what a peer must know to be spoken to in a new way. It is used only where both speak it.
 * 3. Hello is understood by all versions: in it the agent says what it speaks, in Welcome the coordinator what is spoken.
 */
export interface Spoken {
  readonly oldest: number;
  readonly newest: number;
}

/** 2: inventories in parts. */
export const PROTOCOL: Spoken = { oldest: 1, newest: 2 };

/** The newest that both speak, or who is behind. */
export function agreed(peer: Spoken, own: Spoken = PROTOCOL): number | "peer_behind" | "self_behind" {
  if (peer.newest < own.oldest) return "peer_behind";
  if (peer.oldest > own.newest) return "self_behind";
  return Math.min(peer.newest, own.newest);
}

/** For people: `1`, or `1 to 2`. */
export const spokenText = ({ oldest, newest }: Spoken): string =>
  oldest === newest ? `${oldest}` : `${oldest} to ${newest}`;
