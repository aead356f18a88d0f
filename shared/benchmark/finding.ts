/**
 * Findings: what is wrong or odd about a suite and its datasets. Everything that reads user input adds to one list, so
 * that people see all problems at once; an error stops the campaign, a warning travels with it.
 */

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

/** Where a field stands in the suite's text: 1-based line of the nearest field that is there, 0 if unknown. */
export type LineOf = (path: string) => number;

/** Collects findings and looks their lines up. */
export class FindingList {
  readonly all: Finding[] = [];
  /** Whether unknown keys are errors (`strict: true`). */
  strict = false;
  private readonly lineOf: LineOf;

  constructor(lineOf: LineOf) {
    this.lineOf = lineOf;
  }

  error(field: string, message: string, hint = ""): void {
    this.all.push({ severity: "error", field, line: this.lineOf(field), message, hint });
  }

  warning(field: string, message: string, hint = ""): void {
    this.all.push({ severity: "warning", field, line: this.lineOf(field), message, hint });
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
