/**
 * Findings: what is wrong or odd about a suite and its datasets. Everything that reads user input adds to one list, so
 * that people see all problems at once; an error stops the campaign, a warning travels with it.
 */

import { suggestion } from "./suggest.js";

/** One error or warning about a suite; the shape of `sai.v1.Finding`. */
export interface Finding {
  severity: "error" | "warning";
  /** Path of the field, such as `prompts[0].template`. Empty for the whole file. */
  field: string;
  /** Line in the suite, from 1; 0 if unknown. */
  line: number;
  /** What is wrong. */
  message: string;
  /** What to do about it; may be empty. */
  hint: string;
}

/** Most findings of one list; what goes beyond is counted. A suite of 256 KiB could make tens of thousands. */
const MAX_FINDINGS = 200;
/** Most "did you mean" look-ups of one list, for the same reason. */
const MAX_SUGGESTIONS = 50;

/** Where a field stands in the suite's text: 1-based line of the nearest field that is there, 0 if unknown. */
export type LineOf = (path: string) => number;

/** Collects findings and looks their lines up. */
export class FindingList {
  private readonly kept: Finding[] = [];
  private dropped = { error: 0, warning: 0 };
  private suggestionsLeft = MAX_SUGGESTIONS;
  /** Whether unknown keys are errors (`strict: true`). */
  strict = false;
  private readonly lineOf: LineOf;

  constructor(lineOf: LineOf) {
    this.lineOf = lineOf;
  }

  /** What was found, in order, and how many more there were. */
  get all(): Finding[] {
    const more = (severity: Finding["severity"]): Finding[] => {
      const n = this.dropped[severity];
      return n === 0
        ? []
        : [
            {
              severity,
              field: "",
              line: 0,
              message: n === 1 ? `1 more ${severity} like these` : `${n} more ${severity}s like these`,
              hint: "",
            },
          ];
    };
    return [...this.kept, ...more("error"), ...more("warning")];
  }

  /** How many errors there are. */
  get errors(): number {
    return this.dropped.error + this.kept.filter((finding) => finding.severity === "error").length;
  }

  error(field: string, message: string, hint = ""): void {
    this.add("error", field, message, hint);
  }

  warning(field: string, message: string, hint = ""): void {
    this.add("warning", field, message, hint);
  }

  /** The nearest of the candidates, for a hint; "" when none is near, or after many such look-ups. */
  suggest(name: string, candidates: Iterable<string>): string {
    return this.suggestionsLeft-- > 0 ? suggestion(name, candidates) : "";
  }

  private add(severity: Finding["severity"], field: string, message: string, hint: string): void {
    if (this.kept.length >= MAX_FINDINGS) this.dropped[severity]++;
    else this.kept.push({ severity, field, line: this.lineOf(field), message, hint });
  }

  /** A warning, or an error when the suite says `strict: true`. */
  oddity(field: string, message: string, hint = ""): void {
    if (this.strict) this.error(field, message, hint);
    else this.warning(field, message, hint);
  }
}

/** Whether any of them is an error. */
export const hasErrors = (findings: readonly Finding[]): boolean =>
  findings.some((finding) => finding.severity === "error");

/** Errors first, each kind in the order found. */
export const errorsFirst = (findings: readonly Finding[]): Finding[] => [
  ...findings.filter((finding) => finding.severity === "error"),
  ...findings.filter((finding) => finding.severity === "warning"),
];
