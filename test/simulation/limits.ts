/** Times of a schedule, virtual ms. */

/** When everything that is wrong is put right. */
export const HEAL_MS = 12_000;
/** How long after that everything must have ended. */
export const BOUND_MS = 180_000;
/** How long after the end of its job, or after the healing, an agent may still begin a sample. */
export const STOP_MS = 20_000;
