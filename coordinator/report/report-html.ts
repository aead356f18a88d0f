/**
 * The report: one static HTML file, drawn from a summary and a few samples, and nothing else. Invariants: (1) no script and no external
 * resource, enforced for the browser by a content security policy; (2) every text from outside is escaped (markup.ts);
 * (3) the same summary and options give the same bytes; (4) every figure has its numbers in a table behind it.
 */
import type { Comparing } from "../../shared/benchmark/compare/comparison.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import type { ExampleTask } from "./example.js";
import { html, type Markup, nothing } from "./markup.js";
import { baseline } from "./sections/baseline.js";
import { confusions } from "./sections/confusions.js";
import { gpus } from "./sections/gpus.js";
import { header } from "./sections/header.js";
import { headline } from "./sections/headline.js";
import { latency } from "./sections/latency.js";
import { legacy } from "./sections/legacy.js";
import { levels } from "./sections/levels.js";
import { load } from "./sections/load.js";
import { footer, warnings } from "./sections/notes.js";
import { outcomes } from "./sections/outcomes.js";
import { provenance } from "./sections/provenance.js";
import { quality } from "./sections/quality.js";
import { recommendations } from "./sections/recommendations.js";
import { samples } from "./sections/samples.js";
import { targets } from "./sections/targets.js";
import { tradeoffs } from "./sections/tradeoffs.js";
import { verdicts } from "./sections/verdicts.js";
import { style } from "./style.js";
import { createView } from "./view.js";

export interface ReportOptions {
  /** RFC 3339; shown as the time the report was made. */
  generatedAt?: string;
  /** The program's version, shown at the end. */
  version?: string;
  /** Samples to show, by task. */
  examples?: readonly ExampleTask[];
  /** The difference to the baseline that its suite names. */
  baseline?: BaselineView | undefined;
}

/** A comparison with a baseline, or why there is none. */
export type BaselineView = { comparing: Comparing } | { problem: string };

/** The whole report as one HTML document (UTF-8). Throws RangeError only on a mistake in the drawing code. */
export function renderHtml(summary: Summary, options: ReportOptions = {}): string {
  const view = createView(summary);
  const chapters: [string, string, Markup | undefined][] = [
    ["warnings", "Warnings", warnings(view)],
    ["verdicts", "Verdicts", verdicts(view)],
    ["baseline", "Baseline", baseline(options.baseline)],
    ["quality", "Metrics", quality(view)],
    ["levels", "Levels", levels(view)],
    ["tradeoffs", "Trade-offs", tradeoffs(view)],
    ["recommendations", "Recommendations", recommendations(view)],
    ["latency", "Latency", latency(view)],
    ["load", "Load", load(view)],
    ["gpus", "GPUs", gpus(view)],
    ["confusion", "Confusion", confusions(view)],
    ["targets", "Targets", targets(view)],
    ["samples", "Samples", samples(view, options.examples ?? [])],
    ["outcomes", "Outcomes", outcomes(view)],
    ["legacy", "Legacy", legacy(view)],
    ["provenance", "Environment", provenance(view)],
  ];
  const present = chapters.filter(([, , body]) => body !== undefined);
  const links = present.map(([id, title]) => html`<a href="#${id}">${title}</a> `);
  return html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${summary.name === "" ? "Benchmark" : summary.name} – SAI Bench report</title>
<style>${style}</style></head>
<body><main>${header(view, options.generatedAt)}${links.length > 0 ? html`<nav aria-label="Sections">${links}</nav>` : nothing}
${headline(view)}${present.map(([, , body]) => body)}${footer(options.version)}</main></body></html>
`.text;
}
