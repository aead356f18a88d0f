import { expect, test } from "vitest";
import { painter } from "./color.js";
import { formatDuration, formatP, formatValue, parseDuration } from "./quantity.js";
import { type Column, tableLines } from "./table.js";
import { clip, displayWidth, pad } from "./width.js";

const plain = painter(false);
const columns: Column<{ name: string; n: number; note?: string }>[] = [
  { title: "NAME", value: (r) => r.name },
  { title: "N", align: "right", value: (r) => String(r.n) },
  { title: "NOTE", value: (r) => r.note ?? "", wide: true },
];

test("columns are aligned, numbers to the right, empty cells show a dash", () => {
  const rows = [
    { name: "a", n: 7 },
    { name: "longer", n: 1234, note: "x" },
  ];
  expect(tableLines(columns, rows, { paint: plain, wide: true })).toEqual([
    "NAME       N  NOTE",
    "a          7  -",
    "longer  1234  x",
  ]);
});

test("wide columns are left out unless asked for", () => {
  expect(tableLines(columns, [{ name: "a", n: 7, note: "hidden" }], { paint: plain })).toEqual([
    "NAME  N",
    "a     7",
  ]);
});

test("wide characters, combining marks and emoji keep the columns aligned", () => {
  expect(displayWidth("日本")).toBe(4);
  expect(displayWidth("e\u0301")).toBe(1);
  expect(displayWidth("👩‍🔬")).toBe(2);
  expect(displayWidth("\u001b[31mred\u001b[0m")).toBe(3);
  const lines = tableLines(
    columns,
    [
      { name: "日本", n: 1 },
      { name: "abcd", n: 2 },
    ],
    { paint: plain },
  );
  expect(lines.slice(1).map(displayWidth)).toEqual([7, 7]);
});

test("text from elsewhere cannot move the cursor or break a line", () => {
  const [, line] = tableLines(columns, [{ name: "a\u001b[2Jb\nc", n: 1 }], { paint: plain });
  expect(line).toBe("a·[2Jb⏎c  1");
});

test("colours only with a painting painter", () => {
  const colored: Column<{ name: string }>[] = [{ title: "NAME", value: (r) => r.name, color: () => "red" }];
  expect(tableLines(colored, [{ name: "a" }], { paint: plain }).join("")).not.toContain("\u001b");
  expect(tableLines(colored, [{ name: "a" }], { paint: painter(true) })[1]).toContain("\u001b[31ma");
});

test("clip counts columns and says that something was cut", () => {
  expect(clip("日本語", 4)).toBe("日…");
  expect(clip("short", 5)).toBe("short");
  expect(`${pad("日", 4)}|`).toBe("日  |");
});

test("quantities", () => {
  expect(formatValue(0.81666, "ratio")).toBe("0.817");
  expect(formatValue(1234.5, "ms")).toBe("1235 ms");
  expect(formatP(1)).toBe("= 1.0");
  expect(formatP(0.0311)).toBe("= 0.031");
  expect(formatP(0.0001)).toBe("< 0.001");
  expect(formatDuration(125_000)).toBe("2 min 05 s");
  expect(parseDuration("10m")).toBe(600_000);
  expect(parseDuration("1.5")).toBe(1500);
  expect(parseDuration("250ms")).toBe(250);
  expect(parseDuration("soon")).toBeUndefined();
});
