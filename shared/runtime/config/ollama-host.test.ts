import { expect, test } from "vitest";
import { ollamaUrl } from "./ollama-host.js";

test.each([
  ["localhost", "http://localhost:11434"],
  ["gpu-1:8000", "http://gpu-1:8000"],
  [":8000", "http://127.0.0.1:8000"],
  ["0.0.0.0", "http://127.0.0.1:11434"],
  ["0.0.0.0:8000", "http://127.0.0.1:8000"],
  ["[::]:8000", "http://127.0.0.1:8000"],
  ["::1", "http://[::1]:11434"],
  ["[::1]:8000", "http://[::1]:8000"],
  ["http://localhost:11434", "http://localhost:11434"],
  ["http://gpu-1", "http://gpu-1"],
  ["https://models.example.com/ollama/", "https://models.example.com/ollama"],
  [' "gpu-1" ', "http://gpu-1:11434"],
])("%s is %s", (text, url) => {
  expect(ollamaUrl(text)).toBe(url);
});

test.each(["ftp://x", "a b", "host:port", "host:99999"])("%s is left for the schema to refuse", (text) => {
  expect(ollamaUrl(text)).toBe(text);
});
