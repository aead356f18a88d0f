/**
 * How a metric is read off samples. Every metric with an interval is a ratio of sums, Σ num ÷ Σ den over rows; a row
 * is one sample's part of it. Failed samples have rows like any other (wrong ones); cancelled samples never come here.
 */
import type { Reducer } from "./repetitions.js";
import type { Sample } from "./sample.js";

export interface Row {
  num: number;
  den: number;
}

export interface Reading {
  /** Fields the prompt must produce: one of each group. */
  fields: readonly (readonly string[])[];
  /** Whether the item has the truth this reading needs, and what to say if no item has. */
  hasTruth(sample: Sample): boolean;
  noTruth: string;
  /** This sample's part; undefined if it is not in the metric's denominator. */
  row(sample: Sample): Row | undefined;
  /** What to say when there is truth and no denominator. */
  noRows: string;
  /** Rows are 0 or 1 out of 1: Wilson and McNemar apply where rows are independent. */
  proportion: boolean;
  /** Which rows are not independent; default: the sample's cluster. */
  cluster?(sample: Sample): string;
  /** The reading is about the binary label, so that a confusion matrix belongs to it. */
  binary?: true;
  /** Answers decide what is in the denominator: a repetition without a row is 0 of 0, not missing. */
  byAnswers?: true;
  /** The sample's answer as a vote among the repetitions of its item; undefined: it gave none. */
  vote?(sample: Sample): string | undefined;
  /** Rows say right or wrong whatever the answer, so that pass@k has a meaning. */
  passes?: true;
  /** How the repetitions of one item become its row; default: their mean. */
  reduce?: Reducer;
}
