/** Prompts that test what a vision model can see: objects, numbers, colours, places, sizes, text, materials, shapes. */
import type { Json } from "../json.js";
import { counts, listOf, type PromptDef, strictObject, texts } from "./prompt-def.js";

const SYSTEM =
  "You describe pictures exactly. You name only what is visible, in plain lower-case English words, and you answer with one JSON object and nothing else.";

const named: Json = strictObject({
  name: { type: "string" },
  category: { type: "string" },
  position: { type: "string" },
});
const triple: Json = strictObject({
  object1: { type: "string" },
  relationship: { type: "string" },
  object2: { type: "string" },
});
const text: Json = { type: "string" };
const truth: Json = { type: "boolean" };
const whole: Json = { type: "integer", minimum: 0 };

const POSITIONS =
  "center, left, right, top, bottom, top_left, top_right, bottom_left, bottom_right, top_center, center_left, center_right, center_bottom";
const RELATIONS = "left_of, right_of, above, below, near, overlaps, in_front_of, behind";

/** Every field of the answer is a canonical field of the same name. */
function vision(
  id: string,
  name: string,
  description: string,
  question: string,
  properties: { [name: string]: Json },
): PromptDef {
  return {
    id,
    name,
    description,
    version: "1.0.0",
    system: SYSTEM,
    template: question,
    output: "json",
    outputSchema: strictObject(properties),
    fields: Object.fromEntries(Object.keys(properties).map((field) => [field, field])),
    tags: ["vision", "json", id.replace(/^vision_/, "")],
    useCases: ["vision_capability"],
  };
}

export const visionPrompts: PromptDef[] = [
  vision(
    "vision_object_detection",
    "Object detection",
    "Every object with its category and where it is.",
    `List every object in the picture.
Form: {"objects": [{"name": "cup", "category": "tableware", "position": "top_left"}]}
One entry per kind of object. category is a general word such as electronics, stationery, tableware, clothing, organic. position is one of ${POSITIONS}.`,
    { objects: listOf(named) },
  ),
  vision(
    "vision_object_counting",
    "Object counting",
    "How many objects there are, in all and by category.",
    `Count the objects in the picture.
Form: {"total_objects": 3, "categories": {"tableware": 2, "stationery": 1}}
total_objects is the number of all objects; categories has one key per general kind of object (electronics, stationery, tableware, clothing, organic and so on) with its number.`,
    { total_objects: whole, categories: counts },
  ),
  vision(
    "vision_color_recognition",
    "Colour recognition",
    "How many objects there are of each main colour.",
    `Count the objects in the picture by their main colour.
Form: {"colors": {"red": 1, "white": 2}}
One key per colour, in plain words; use "mixed" for objects without a main colour.`,
    { colors: counts },
  ),
  vision(
    "vision_spatial_relationships",
    "Spatial relationships",
    "How objects stand to one another.",
    `Say how the main objects in the picture stand to one another.
Form: {"relationships": [{"object1": "cup", "relationship": "left_of", "object2": "plate"}]}
relationship is one of ${RELATIONS}, as the viewer sees it.`,
    { relationships: listOf(triple) },
  ),
  vision(
    "vision_size_estimation",
    "Size estimation",
    "How large each object is beside the others.",
    `Estimate how large each object is compared with the others in the picture.
Form: {"sizes": {"cup": "small", "table": "large"}}
One key per object; each value is small, medium or large.`,
    { sizes: texts },
  ),
  vision(
    "vision_text_recognition",
    "Text recognition",
    "Whether there is text, and what it says.",
    `Read all text in the picture.
Form: {"text_found": true, "text_items": ["EXIT", "Gate 4"]}
text_found says whether any writing is visible; text_items has each piece of text as it is written, empty if there is none.`,
    { text_found: truth, text_items: listOf(text) },
  ),
  vision(
    "vision_material_recognition",
    "Material recognition",
    "How many objects are made of each material.",
    `Count the objects in the picture by what they are made of.
Form: {"materials": {"wood": 1, "glass": 2}}
One key per material, such as metal, plastic, glass, fabric, paper, ceramic, wood, organic; an object made of two materials counts for both.`,
    { materials: counts },
  ),
  vision(
    "vision_shape_analysis",
    "Shape analysis",
    "How many objects there are of each shape.",
    `Count the objects in the picture by their basic shape.
Form: {"shapes": {"circular": 1, "rectangular": 2}}
One key per shape, such as rectangular, circular, cylindrical, curved, irregular.`,
    { shapes: counts },
  ),
  vision(
    "vision_comprehensive_analysis",
    "Comprehensive analysis",
    "Objects, numbers, colours, materials, shapes, text and places in one answer.",
    `Describe the picture completely.
Form: {"objects": [{"name": "cup", "category": "tableware", "position": "top_left"}], "total_objects": 1, "categories": {"tableware": 1}, "colors": {"red": 1}, "materials": {"ceramic": 1}, "shapes": {"cylindrical": 1}, "text_found": false, "spatial_relationships": [{"object1": "cup", "relationship": "near", "object2": "plate"}]}
Numbers count objects. position is one of ${POSITIONS}. relationship is one of ${RELATIONS}. text_found says whether any writing is visible.`,
    {
      objects: listOf(named),
      total_objects: whole,
      categories: counts,
      colors: counts,
      materials: counts,
      shapes: counts,
      text_found: truth,
      spatial_relationships: listOf(triple),
    },
  ),
  vision(
    "vision_resolution_comparison",
    "Resolution comparison",
    "How much detail the picture lets one see; for the same scene at several resolutions.",
    `Judge how much detail this picture lets you see.
Form: {"detail_level": "high", "small_objects_visible": true, "text_readable": false, "textures_clear": true, "confidence_score": 0.8}
detail_level is low, medium or high; confidence_score is a number between 0 and 1, how certain you are of this judgement.`,
    {
      detail_level: { enum: ["low", "medium", "high"] },
      small_objects_visible: truth,
      text_readable: truth,
      textures_clear: truth,
      confidence_score: { type: "number", minimum: 0, maximum: 1 },
    },
  ),
];
