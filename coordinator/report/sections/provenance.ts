/** What ran where: engine, version and digest of every job, settings that had no effect, each machine's share. */
import type { NodeShare } from "../../../shared/benchmark/summary.js";
import { formatCount, formatMs, formatPercent, isNumber, significant } from "../format.js";
import { html, type Markup, name, nothing } from "../markup.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { modelName, na, section } from "./words.js";

export function provenance(view: View): Markup | undefined {
  const { cells, nodes } = view.summary;
  if (cells.length === 0 && nodes.length === 0) return undefined;
  return section(
    "provenance",
    "Environment",
    cells.length > 0 ? engines(view) : nothing,
    nodes.length > 0 ? machines(nodes) : nothing,
  );
}

function engines(view: View): Markup {
  const rows = view.summary.cells.map((c) => [
    html`<code>${c.job}</code>`,
    modelName(view, c),
    html`${name(c.prompt)} <small>on</small> ${name(c.dataset)}`,
    c.engine,
    c.engineVersion === "" ? na("not reported") : c.engineVersion,
    c.modelDigest === "" ? na("not reported") : html`<code class="hash">${c.modelDigest}</code>`,
    c.notApplied.length === 0
      ? "—"
      : html`<ul class="plain">${c.notApplied.map((key) => html`<li><code>${key}</code></li>`)}</ul>`,
  ]);
  const columns = [
    { label: "Job" },
    { label: "Model" },
    { label: "Task" },
    { label: "Engine" },
    { label: "Version" },
    { label: "Digest" },
    { label: "Settings not applied" },
  ];
  return table("Engines", columns, rows);
}

/** Shares and medians per machine; the slowest against the fastest shows skew. */
function machines(nodes: readonly NodeShare[]): Markup {
  const total = nodes.reduce((sum, n) => sum + n.samples, 0);
  const medians = nodes.map((n) => n.e2eP50Ms).filter((ms) => isNumber(ms) && ms > 0);
  const fastest = Math.min(...medians);
  const rows = nodes.map((n) => {
    const share = total > 0 ? n.samples / total : 0;
    const hasMedian = isNumber(n.e2eP50Ms) && n.e2eP50Ms > 0;
    return [
      html`<code>${n.node}</code>`,
      formatCount(n.samples),
      html`<span class="share"><span style="width:${Math.round(share * 100)}%"></span></span> ${formatPercent(total > 0 ? share : undefined)}`,
      hasMedian ? formatMs(n.e2eP50Ms) : na("no answered sample"),
      hasMedian ? `${significant(n.e2eP50Ms / fastest, 3)} ×` : na(""),
    ];
  });
  const numeric = true;
  const columns = [
    { label: "Node" },
    { label: "Samples", numeric },
    { label: "Share", numeric },
    { label: "Median time", numeric },
    { label: "Against the fastest", numeric },
  ];
  return table("Machines", columns, rows);
}
