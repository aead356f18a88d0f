/**
 * The demo's campaign as files: pictures, a dataset that names them, and a suite. They are ordinary ones, written to a
 * folder where people can look at them and run them again with `sai apply`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DemoImage } from "./images.js";

/** Three settings of one real recogniser, so that the table has a winner, a tie and a crossover to show. */
const OCR_MODELS = [
  { id: "lstm", engine: "ocr", model: "4.0.0_best_int", options: { psm: 7, dpi: 150 } },
  { id: "lstm-2x", engine: "ocr", model: "4.0.0_best_int", options: { psm: 7, dpi: 150, upscale: 2 } },
  { id: "legacy", engine: "ocr", model: "4.0.0", options: { psm: 7, dpi: 150 } },
];

const READ_TEXT = {
  id: "read_text",
  template: "Read the line of text in the picture. Answer with the text only, nothing else.",
};

const METRICS = ["exact_match", "cer", "latency"];

/** The suite of the OCR baseline; `dataset` is relative to the folder it lies in. */
export const ocrSuite = (dataset: string) => ({
  schema: "sai/v1",
  name: "OCR baseline on generated images",
  description:
    "Three settings of tesseract.js (LSTM, LSTM on doubled pictures, legacy) read generated lines of text.",
  prompts: [READ_TEXT],
  models: OCR_MODELS,
  datasets: [{ id: "generated", path: dataset }],
  metrics: METRICS,
  engine_config: { timeout: 30 },
  run: { shard_size: 10 },
});

/** A few of the same pictures for a vision model that an Ollama has loaded. */
export const visionSuite = (dataset: string, model: string, images: number) => ({
  schema: "sai/v1",
  name: `${model} on generated images`,
  description: "The demo's pictures, read by a vision-language model.",
  prompts: [READ_TEXT],
  models: [{ id: model, engine: "ollama", model }],
  datasets: [{ id: "generated", path: dataset, sample: { n: images, seed: 1 } }],
  metrics: METRICS,
  engine_config: { temperature: 0, max_tokens: 64, timeout: 20, max_retries: 0 },
  run: { shard_size: 2 },
});

/** Writes `images/*.png`, `dataset.json` and `suite.json` below `folder`; answers the suite's text and place. */
export async function writeDemoFiles(
  folder: string,
  images: readonly DemoImage[],
): Promise<{ suitePath: string; suiteText: string }> {
  await mkdir(join(folder, "images"), { recursive: true });
  for (const image of images) await writeFile(join(folder, "images", image.name), image.png);
  const rows = images.map(({ name, level, text }) => ({
    id: name,
    images: [`images/${name}`],
    target: text,
    level,
  }));
  await writeFile(join(folder, "dataset.json"), `${JSON.stringify(rows, null, 1)}\n`);
  const suiteText = `${JSON.stringify(ocrSuite("dataset.json"), null, 2)}\n`;
  const suitePath = join(folder, "suite.json");
  await writeFile(suitePath, suiteText);
  return { suitePath, suiteText };
}
