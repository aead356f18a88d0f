/** The prompts that come with SAI Bench, by the ids of the SAI suite format. */
import { firePrompts, formatPrompts } from "./fire-prompts.js";
import type { PromptDef } from "./prompt-def.js";
import { visionPrompts } from "./vision-prompts.js";

export const builtinPrompts: ReadonlyMap<string, PromptDef> = new Map(
  [...firePrompts, ...formatPrompts, ...visionPrompts].map((prompt) => [prompt.id, prompt]),
);
