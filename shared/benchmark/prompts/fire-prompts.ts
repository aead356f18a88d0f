/**
 * Prompts about early signs of fire. All of them yield the canonical fields has_smoke and, where the answer states a
 * certainty, p_smoke: the probability of smoke. A stated confidence is certainty in the judgement, whichever way it
 * goes, so that p_smoke = c for Yes and 1 − c for No.
 */
import type { Json } from "../json.js";
import { type PromptDef, strictObject } from "./prompt-def.js";

const SYSTEM =
  "You watch landscape cameras for the first signs of wildfire. You report only what the pictures show, and you answer in exactly the form asked for.";

/** The two fields of an answer that gives its verdict under `key` as Yes or No, and its certainty under `confidence`. */
const verdict = (key: string) => ({
  has_smoke: `lower(${key}) == 'yes'`,
  p_smoke: `lower(${key}) == 'yes' ? number(confidence) : 1 - number(confidence)`,
});

const bbox: Json = {
  type: ["array", "null"],
  items: { type: "number", minimum: 0, maximum: 1 },
  minItems: 4,
  maxItems: 4,
};

const smokeAndBox = strictObject({ has_smoke: { type: "boolean" }, bbox });

const common = { version: "1.0.0", useCases: ["wildfire_detection"] };

export const firePrompts: PromptDef[] = [
  {
    ...common,
    id: "early_fire_json",
    name: "Early fire, JSON",
    description: "Smoke or not, and where, as one JSON object.",
    system: SYSTEM,
    template: `Look for smoke or flames in {% if images.size > 1 %}these {{ images.size }} pictures, which show one scene over time{% else %}this picture{% endif %}.
Answer with one JSON object and nothing else:
{"has_smoke": true or false, "bbox": [xc, yc, w, h] or null}
has_smoke is true if any smoke or fire is visible; fog, clouds and dust are not smoke.
bbox is the smallest box around the smoke: its centre and its size, each as a fraction of the picture's width or height between 0 and 1. It is null if there is no smoke.`,
    output: "json",
    outputSchema: smokeAndBox,
    fields: { has_smoke: "has_smoke", bbox: "bbox" },
    tags: ["vision", "fire", "detection", "json"],
  },
  {
    ...common,
    id: "wildfire_confidence",
    name: "Wildfire with confidence",
    description: "A judgement, how certain it is, and why, in three lines.",
    system: SYSTEM,
    template: `Is there smoke or fire in {% if images.size > 1 %}these {{ images.size }} pictures{% else %}this picture{% endif %}?
Answer in exactly three lines:
Judgment: Yes or No
Confidence: a number between 0 and 1, how certain you are that your judgment is right
Justification: one sentence naming what you saw`,
    output: "lines",
    fields: verdict("judgment"),
    tags: ["vision", "fire", "classification", "lines"],
  },
  {
    ...common,
    id: "detailed_sequence_analysis",
    name: "Detailed sequence analysis",
    description: "A judgement over a sequence of pictures, with the pictures that had to be left out.",
    system: SYSTEM,
    template: `You get {{ images.size }} picture{% if images.size != 1 %}s{% endif %} of one place in the order they were taken. Compare them: smoke grows and drifts from picture to picture, fog and clouds do not start at one point on the ground.
Leave out pictures that are too dark, blurred or damaged to judge, and count them.
Answer with one JSON object and nothing else:
{"smoke_detected": "Yes" or "No", "justification": "what changed between which pictures", "confidence": a number between 0 and 1, how certain you are of your answer, "images_discarded": how many pictures you left out, "number_of_images": how many pictures you were given}`,
    output: "json",
    outputSchema: strictObject({
      smoke_detected: { enum: ["Yes", "No"] },
      justification: { type: "string" },
      confidence: { type: "number", minimum: 0, maximum: 1 },
      images_discarded: { type: "integer", minimum: 0 },
      number_of_images: { type: "integer", minimum: 0 },
    }),
    fields: verdict("smoke_detected"),
    tags: ["vision", "fire", "sequence", "json"],
  },
];

/** The same question worded for one family of models; the answer is that of early_fire_json. */
const FORMATS: { family: string; name: string; template: string }[] = [
  {
    family: "llama",
    name: "Llama",
    template: `Task: decide whether the picture shows smoke or fire.
Steps: 1. Look at the horizon and the ground. 2. Tell smoke from fog, cloud and dust. 3. If there is smoke, find the smallest box around it.
Reply with this JSON object only, without explanation and without a code block:
{"has_smoke": true|false, "bbox": [xc, yc, w, h]|null}
All four numbers are fractions between 0 and 1 of the picture's width and height; xc and yc are the centre of the box.`,
  },
  {
    family: "llava",
    name: "LLaVA",
    template: `Does this picture show smoke or fire, and where? Give your answer as JSON in the form {"has_smoke": true, "bbox": [0.5, 0.5, 0.1, 0.1]} with the centre and the size of the box as fractions of the picture, or {"has_smoke": false, "bbox": null} if there is none. Write the JSON and nothing more.`,
  },
  {
    family: "minicpm",
    name: "MiniCPM-V",
    template: `Detect smoke or fire in the picture.
Output format: {"has_smoke": <true or false>, "bbox": <[xc, yc, w, h] or null>}
xc, yc: centre of the smoke; w, h: its width and height; all between 0 and 1, relative to the picture.
Output the JSON object only.`,
  },
  {
    family: "gemma",
    name: "Gemma",
    template: `Look carefully at the picture and decide if there is any smoke or fire in it. Thin or distant smoke counts; fog, clouds and dust do not.
Then write a single line of JSON with exactly two keys: "has_smoke" (true or false) and "bbox" (the list [xc, yc, w, h] of centre and size as fractions from 0 to 1, or null without smoke).`,
  },
  {
    family: "mistral",
    name: "Mistral",
    template: `Report on smoke and fire in the picture as a JSON object with the keys has_smoke and bbox.
- has_smoke: boolean.
- bbox: [xc, yc, w, h], the box's centre and size relative to the picture (0 to 1); null when has_smoke is false.
Return the object alone.`,
  },
];

export const formatPrompts: PromptDef[] = FORMATS.map(({ family, name, template }) => ({
  ...common,
  id: `${family}_format`,
  name: `Early fire, worded for ${name}`,
  description: `The question of early_fire_json in the wording that ${name} models follow best.`,
  template,
  output: "json",
  outputSchema: smokeAndBox,
  fields: { has_smoke: "has_smoke", bbox: "bbox" },
  tags: ["vision", "fire", "detection", "json", family],
}));
