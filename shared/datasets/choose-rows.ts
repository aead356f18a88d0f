/** Which rows of a source a dataset means: those of its split, its filter and its ids, in this order. */

import { columnsOfRow, filterTest } from "../benchmark/filter.js";
import type { FindingList } from "../benchmark/finding.js";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";
import { isObject, type Row, rowId } from "./row.js";

export interface RowChooser {
  /** Whether the dataset means this row. */
  means(row: Row): boolean;
  /** Says, after the last row, that its split was never seen. */
  close(): void;
  /** Ids that were asked for and not seen. */
  missing(): string[];
}

/** Columns that say which split a row is of. */
const SPLIT_COLUMNS = ["split", "subset", "partition"];

/** `splitDone`: the source has only rows of the split. */
export function rowChooser(spec: DatasetSpec, splitDone: boolean, findings: FindingList): RowChooser {
  const test = spec.filter && filterTest(spec.filter);
  const ids = spec.ids && new Set(spec.ids);
  const split = splitDone ? undefined : spec.split;
  const missing = new Set(spec.ids);
  const splits = new Set<string>();
  return {
    means(row) {
      // What is no object is refused when it becomes an item.
      if (!isObject(row.value)) return true;
      if (split !== undefined) {
        const own = splitOf(row.value);
        if (own !== undefined && splits.size < 20) splits.add(own);
        if (own !== split) return false;
      }
      if (test && !test(columnsOfRow(row.value))) return false;
      if (ids === undefined) return true;
      const id = rowId(row);
      missing.delete(id);
      return ids.has(id);
    },
    close() {
      if (split !== undefined && !splits.has(split)) {
        const there = splits.size === 0 ? "no row says its split" : `there are ${[...splits].join(", ")}`;
        const hint = findings.suggest(split, splits) || "rows say it in a column `split`";
        findings.error(
          `${spec.field}.split`,
          `no row is of the split ${JSON.stringify(split)}: ${there}`,
          hint,
        );
      }
    },
    missing: () => [...missing],
  };
}

function splitOf(row: { [key: string]: unknown }): string | undefined {
  const column = SPLIT_COLUMNS.find((name) => typeof row[name] === "string");
  return column === undefined ? undefined : String(row[column]);
}
