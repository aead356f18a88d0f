import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../shared/benchmark/summary.js";
import { renderJson, SUMMARY_SCHEMA } from "./report-json.js";

const text = readFileSync(new URL("./fixtures/smoke-detection.json", import.meta.url), "utf8");
const summary = JSON.parse(text) as Summary;

describe("renderJson", () => {
  it("keeps everything and names its schema first", () => {
    const json = renderJson(summary);
    expect(JSON.parse(json)).toEqual({ schema: SUMMARY_SCHEMA, ...summary });
    expect(json.startsWith(`{\n  "schema": "${SUMMARY_SCHEMA}",\n  "campaignId"`)).toBe(true);
    expect(json.endsWith("}\n")).toBe(true);
  });

  it("does not depend on the order of keys or on absent against undefined", () => {
    const reversed = JSON.parse(text, (_, v: unknown) =>
      v !== null && typeof v === "object" && !Array.isArray(v)
        ? { extra: undefined, ...Object.fromEntries(Object.entries(v).reverse()) }
        : v,
    ) as Summary;
    expect(renderJson(reversed)).toBe(renderJson(summary));
  });

  it("writes what JSON cannot say as null", () => {
    const broken = structuredClone(summary);
    Object.assign(broken.cells[0]?.metrics[0] ?? {}, { value: Number.NaN });
    expect(JSON.parse(renderJson(broken)).cells[0].metrics[0].value).toBeNull();
  });
});
