/** Readiness: every check within its deadline; one that hangs counts as failed, not as ready. */
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";

/** Resolves when all is well, throws or rejects with the reason otherwise. */
export type ReadyCheck = () => Promise<void> | void;

export interface Readiness {
  ok: boolean;
  /** By check: `ok` or why not. */
  checks: { [name: string]: string };
}

const DEADLINE_MS = 2_000;

/** Runs all checks at once, each for at most 2 s. */
export async function runChecks(
  checks: { readonly [name: string]: ReadyCheck },
  clock: Clock,
): Promise<Readiness> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await runCheck(check, clock)] as const),
  );
  return { ok: results.every(([, result]) => result === "ok"), checks: Object.fromEntries(results) };
}

function runCheck(check: ReadyCheck, clock: Clock): Promise<string> {
  return new Promise((resolve) => {
    const cancel = clock.after(DEADLINE_MS, () => resolve(`no answer within ${DEADLINE_MS} ms`));
    Promise.resolve()
      .then(check)
      .then(
        () => resolve("ok"),
        (error: unknown) => resolve(errorText(error)),
      )
      .finally(cancel);
  });
}
