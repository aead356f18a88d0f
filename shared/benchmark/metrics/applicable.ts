/**
 * Whether a metric can be read off a cell at all: n/a, with its reason, when the prompt does not produce the fields or
 * the items do not have the truth. Never 0 instead.
 */
import { producesField } from "../parse-fields.js";
import type { PromptSpec } from "../plan.js";
import type { Reading } from "./reading.js";
import type { Sample } from "./sample.js";

/** What must be there for a reading. */
export type Needs = Pick<Reading, "fields" | "hasTruth" | "noTruth">;

export type Choice = { reading: Reading } | { reason: string };

/** The first reading that applies, or why the first one does not. */
export function chooseReading(
  readings: readonly Reading[],
  prompt: PromptSpec,
  samples: readonly Sample[],
): Choice {
  let firstReason: string | undefined;
  for (const reading of readings) {
    const reason = whyNot(reading, prompt, samples);
    if (reason === undefined) return { reading };
    firstReason ??= reason;
  }
  return { reason: firstReason ?? "no reading" };
}

/** Why a cell does not have what is needed; undefined if it has. */
export function whyNot(needs: Needs, prompt: PromptSpec, samples: readonly Sample[]): string | undefined {
  const missing = needs.fields.find((anyOf) => !produced(anyOf, prompt, samples));
  if (missing !== undefined) return `the prompt does not produce ${missing.join(" or ")}`;
  if (samples.length === 0) return "nothing was run";
  if (!samples.some((sample) => needs.hasTruth(sample))) return needs.noTruth;
  return undefined;
}

/** By the prompt where it tells, else by whether any answer had the field. */
function produced(anyOf: readonly string[], prompt: PromptSpec, samples: readonly Sample[]): boolean {
  const known = anyOf.map((field) => producesField(prompt, field));
  if (known.includes("yes")) return true;
  if (!known.includes("unknown")) return false;
  return samples.some((sample) => sample.fields.some((field) => anyOf.includes(field)));
}
