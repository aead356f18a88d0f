/** Tables of aligned columns: a heading in capitals, two spaces between, no frames, so that `awk` works on them. */
import type { Color, Paint } from "./color.js";
import { displayWidth, pad, printable } from "./width.js";

export interface Column<Row> {
  title: string;
  value(row: Row): string;
  align?: "left" | "right";
  /** Shown only with `-o wide`. */
  wide?: boolean;
  color?(row: Row): Color | undefined;
}

/** The lines of a table; the last column is never padded. An empty cell is shown as `-`. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: { paint: Paint; wide?: boolean; indent?: string },
): string[] {
  const shown = columns.filter((c) => options.wide || !c.wide);
  const cells = rows.map((row) => shown.map((c) => printable(c.value(row)) || "-"));
  const widths = shown.map((c, i) =>
    Math.max(displayWidth(c.title), ...cells.map((row) => displayWidth(row[i] ?? ""))),
  );
  const line = (texts: readonly string[], colors: readonly (Color | undefined)[]) => {
    const parts = texts.map((text, i) => {
      const align = shown[i]?.align ?? "left";
      const last = i === texts.length - 1 && align === "left";
      const color = colors[i];
      const padded = last ? text : pad(text, widths[i] ?? 0, align);
      return color === undefined ? padded : options.paint(padded, color);
    });
    return `${options.indent ?? ""}${parts.join("  ")}`.trimEnd();
  };
  return [
    line(
      shown.map((c) => c.title),
      shown.map(() => "bold" as const),
    ),
    ...rows.map((row, i) =>
      line(
        cells[i] ?? [],
        shown.map((c) => c.color?.(row)),
      ),
    ),
  ];
}
