/** Samples that a report shows: what was asked, what was expected, what each model said. */

import type { Why } from "../../shared/benchmark/examples.js";
import type { Status } from "../../shared/benchmark/record.js";
import type { Labelled } from "../../shared/benchmark/scoring/detections.js";

/** Those of one prompt on one dataset. */
export interface ExampleTask {
  prompt: string;
  dataset: string;
  /** As it is written: Liquid. */
  template: string;
  system: string | undefined;
  /** Items of the dataset, and how many of them were candidates. */
  items: number;
  lookedAt: number;
  examples: Example[];
}

export interface Example {
  id: string;
  why: Why;
  level: string | undefined;
  /** Text input, cut to what can be read. */
  input: string | undefined;
  /** Target, or truth as JSON. */
  expected: string | undefined;
  /** The first picture, made small; undefined where it has none or it cannot be shown. */
  picture: Picture | undefined;
  pictures: number;
  trueBoxes: readonly Labelled[];
  answers: ExampleAnswer[];
}

export interface Picture {
  /** Of the picture as it was asked about, px. */
  width: number;
  height: number;
  /** JPEG or PNG, as a data: URL. */
  url: string;
}

export interface ExampleAnswer {
  model: string;
  status: Status;
  /** 0 to 1; undefined where nothing can be said. */
  mark: number | undefined;
  /** Its words, cut to what can be read, or why there are none. */
  text: string;
  boxes: readonly Labelled[];
}
