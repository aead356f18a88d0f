import { expect, test } from "vitest";
import { suggestion } from "./suggest.js";

const NAMES = ["temperature", "max_tokens", "seed", "top_p", "top_k"];

test.each([
  ["temprature", 'did you mean "temperature"?'],
  ["Temperature", 'did you mean "temperature"?'],
  ["max_token", 'did you mean "max_tokens"?'],
  ["sede", 'did you mean "seed"?'],
  ["topp", 'did you mean "top_p"?'],
  ["temp", 'did you mean "temperature"?'],
  ["to", 'did you mean "top_p"?'],
  ["banana", ""],
  ["x", ""],
  ["", ""],
  ["temperature".repeat(100), ""],
])("%s", (name, expected) => {
  expect(suggestion(name, NAMES)).toBe(expected);
});
