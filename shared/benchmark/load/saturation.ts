/**
 * Where more load brings no more: over the levels of one model, prompt and dataset.
 *
 *     open loops    the last level that the server keeps up with, before the first with which it does not
 *     concurrency   the least level with at least 95 % of the highest request rate
 */
import { groupBy } from "../metrics/group-by.js";
import type { Cell, LoadResult, Saturation } from "../summary.js";
import { levelText } from "./load-spec.js";

const OF_THE_BEST = 0.95;

/** One for each group of at least two levels of one kind. */
export function saturations(cells: readonly Cell[]): Saturation[] {
  const groups = groupBy(
    cells.filter((cell) => cell.load),
    (cell) => JSON.stringify([cell.model, cell.prompt, cell.dataset, cell.load?.kind]),
  );
  return [...groups.values()].flatMap((group) => {
    const levels = group.flatMap(({ load }) => load ?? []).sort((a, b) => a.value - b.value);
    const [first] = group;
    if (first === undefined || levels.length < 2) return [];
    const { model, prompt, dataset } = first;
    const found = levels[0]?.kind === "concurrency" ? knee(levels) : lastKeptUp(levels);
    return [{ model, prompt, dataset, kind: levels[0]?.kind ?? "", ...found }];
  });
}

type Found = Pick<Saturation, "value" | "requestsPerS" | "text">;

function lastKeptUp(levels: readonly LoadResult[]): Found {
  const failing = levels.findIndex(({ keepsUp }) => !keepsUp);
  const [kept, next] = failing < 0 ? [levels.at(-1), undefined] : [levels[failing - 1], levels[failing]];
  const text =
    next === undefined
      ? `not reached: it keeps up with ${levelText(kept ?? { kind: "", value: 0 })}`
      : kept === undefined
        ? `below ${levelText(next)}`
        : `${levelText(kept)}: it does not keep up with ${levelText(next)}`;
  return { value: next && kept?.value, requestsPerS: (next ?? kept)?.requestsPerS, text };
}

function knee(levels: readonly LoadResult[]): Found {
  const best = Math.max(...levels.map(({ requestsPerS }) => requestsPerS ?? 0));
  const least = levels.find(({ requestsPerS }) => (requestsPerS ?? 0) >= OF_THE_BEST * best);
  const isLast = least === levels.at(-1);
  if (least === undefined || isLast || best === 0)
    return {
      value: undefined,
      requestsPerS: best,
      text: "not reached: the rate grows up to the highest level",
    };
  const text = `${levelText(least)}: more at once brings less than 5 % more`;
  return { value: least.value, requestsPerS: best, text };
}
