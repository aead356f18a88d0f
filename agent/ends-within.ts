import type { Clock } from "../shared/runtime/clock.js";
import { errorText } from "../shared/runtime/errors.js";

/**
 * Waits for something to end, at most `ms`: what belongs to others (an engine, a server, a disk) must not keep this
 * agent from stopping. Never rejects; a failure or lateness is told to `leftBehind`.
 */
export async function endsWithin(
  ms: number,
  ended: Promise<void>,
  clock: Clock,
  leftBehind: (reason: string) => void,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = clock.after(ms, () => {
      leftBehind(`it has not ended within ${ms} ms`);
      resolve();
    });
    ended
      .catch((error) => leftBehind(errorText(error)))
      .then(() => {
        cancel();
        resolve();
      });
  });
}
