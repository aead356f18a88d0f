/**
 * A result record as a row of `sample`, in the text format of COPY. What comes out is a function of the record alone, so
 * that a row can be made again from the artifacts at any time. No record, however odd, makes a row that the database
 * refuses: what does not fit its column is null, characters that SQL has not become U+FFFD.
 */
import { timesOf } from "../../shared/benchmark/metrics/times.js";
import { isAnswered, type ResultRecord } from "../../shared/benchmark/record.js";

/** To be raised when the same record gives another row: all rows are made anew then. */
export const LAYOUT = 1;

export const COLUMNS = [
  ...[
    "shard",
    "generation",
    "cell",
    "ordinal",
    "repetition",
    "status",
    "cached",
    "node",
    "item",
    "cluster",
    "level",
  ],
  ...["pair", "target", "e2e_ms", "ttft_ms", "tpot_ms", "tokens_in", "tokens_out", "cost_usd"],
  ...["error_class", "flags", "scores"],
];

/** What the rows of a shard begin with. */
export const beginOf = ({
  generation,
  cell,
  shard,
}: {
  generation: number;
  cell: number;
  shard: number;
}): string => `${shard}\t${generation}\t${cell}\t`;

/** One line with its newline; `begin` is that of its shard. */
export function rowOf(record: ResultRecord, begin: string): string {
  const { tokens, flags, error, level } = record;
  const times = isAnswered(record.status) && !record.cached && record.t_ns ? timesOf(record) : undefined;
  const texts = [record.status, record.node?.id, record.item_id, record.cluster_id, level, error?.class];
  // Mostly there is nothing to escape in any of them.
  const [status, node, item, cluster, levelText, errorClass] =
    texts.every(isText) && PLAIN.test(texts.join("")) ? texts : texts.map(text);
  return (
    `${begin}${record.ordinal}\t${small(record.repetition)}\t` +
    `${status ?? ""}\t${record.cached === true ? "t" : "f"}\t${node ?? ""}\t${item ?? ""}\t${cluster ?? ""}\t` +
    `${level === undefined ? NULL : levelText}\t${uuid(record.pair_key)}\t${uuid(record.target_sha)}\t` +
    `${real(times?.e2eMs)}\t${real(times?.ttftMs)}\t${real(times?.tpotMs)}\t` +
    `${whole(tokens?.in)}\t${whole(tokens?.out)}\t${real(record.cost_usd)}\t` +
    `${error === undefined ? NULL : (errorClass ?? "")}\t` +
    `${Array.isArray(flags) && flags.length > 0 ? array(flags) : NULL}\t${scores(record.scores)}\n`
  );
}

const isText = (value: unknown): boolean => value === undefined || typeof value === "string";

const NULL = "\\N";

/** Neither what COPY escapes, nor a NUL, nor half of a surrogate pair. */
const PLAIN = /^[^\\\t\n\r\0\ud800-\udfff]*$/;

function text(value: unknown): string {
  const string = typeof value === "string" ? value : "";
  return PLAIN.test(string) ? string : escaped(sqlText(string));
}

const escaped = (string: string): string =>
  string.replace(/[\\\t\n\r]/g, (c) =>
    c === "\\" ? "\\\\" : c === "\t" ? "\\t" : c === "\n" ? "\\n" : "\\r",
  );

/** Text as the database may have it. */
export const sqlText = (string: string): string =>
  Buffer.from(string.replaceAll("\0", "\ufffd"), "utf8").toString("utf8");

const real = (value: unknown): string => (Number.isFinite(value) ? String(value) : NULL);

const whole = (value: unknown): string => (Number.isSafeInteger(value) ? String(value) : NULL);

/** Of 32 bits; 0 for what is none. */
const small = (value: unknown): string =>
  typeof value === "number" && value === (value | 0) ? String(value) : "0";

const HEX32 = /^[0-9a-f]{32}/;
const uuid = (hex: unknown): string => (typeof hex === "string" && HEX32.test(hex) ? hex.slice(0, 32) : NULL);

/** An array's text, which COPY then escapes. */
const array = (values: readonly unknown[]): string => {
  const quoted = values.map((value) => `"${sqlText(String(value)).replace(/["\\]/g, "\\$&")}"`);
  return escaped(`{${quoted.join(",")}}`);
};

function scores(value: unknown): string {
  if (typeof value !== "object" || value === null) return "{}";
  let json = "";
  for (const [name, score] of Object.entries(value)) {
    if (!Number.isFinite(score)) continue;
    json += `${json === "" ? "" : ","}${JSON.stringify(PLAIN.test(name) ? name : sqlText(name))}:${score}`;
  }
  return escaped(`{${json}}`);
}
