/** How long agents wait at most between two dials: longer in a large fleet, whose coordinator they would swamp. */
const LARGE_FLEET = 1_000;
const LARGE_CAP_MS = 10_000;
/** What agents do untold. */
const CAP_MS = 5_000;

/** What a fleet of so many nodes is told, ms; 0 for nothing. */
export const toldReconnectCapMs = (nodes: number): number => (nodes > LARGE_FLEET ? LARGE_CAP_MS : 0);

/** What may be expected of it, ms. */
export const reconnectCapMs = (nodes: number): number => Math.max(CAP_MS, toldReconnectCapMs(nodes));
