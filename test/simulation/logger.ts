/** Logs as lines of the trace, when lines are kept; otherwise nothing is said, at no cost. */

import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Trace } from "./trace.js";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
const nothing = () => {};
const SILENT = { child: () => SILENT } as unknown as Logger;
for (const level of LEVELS) (SILENT as unknown as { [level: string]: () => void })[level] = nothing;

/** What `who` logs. */
export function logger(trace: Trace, who: string): Logger {
  if (trace.lines === undefined) return SILENT;
  const say = (level: string) => (first: unknown, message?: string) => {
    const about = typeof first === "object" && first !== null ? (first as { [key: string]: unknown }) : {};
    const detail = Object.entries(about).map(([key, value]) => `${key}=${text(value)}`);
    const line = [`${who} ${level}:`, typeof first === "string" ? first : (message ?? ""), ...detail].join(
      " ",
    );
    trace.lines?.push(`${trace.atMs}  ${line}`);
  };
  const log: { [name: string]: unknown } = { child: () => log };
  for (const level of LEVELS) log[level] = say(level);
  return log as unknown as Logger;
}

function text(value: unknown): string {
  if (value instanceof Error) return errorText(value);
  return JSON.stringify(value, (_key, v) => (typeof v === "bigint" ? String(v) : v)) ?? "";
}
