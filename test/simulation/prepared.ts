/** Suites are prepared once and then remembered: a schedule submits, it does not measure how suites are read. */
import type { Prepared, PrepareInput } from "../../shared/suites/prepare-types.js";

const known = new Map<string, Promise<Prepared>>();

/** The same function; the same question gets the answer that the first one got. */
export const remembered =
  (prepare: (input: PrepareInput) => Promise<Prepared>) =>
  (input: PrepareInput): Promise<Prepared> => {
    const key = `${input.text} ${input.available === undefined}`;
    const answer = known.get(key) ?? prepare(input);
    known.set(key, answer);
    return answer;
  };
