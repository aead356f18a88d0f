import { canonicalJson, type Json, type Sha256 } from "../json.js";
import type { PromptSpec } from "../plan.js";

/** SHA-256 over every field of a prompt but the hash itself, as canonical JSON: the name of this version. */
export function promptHash(prompt: Omit<PromptSpec, "sha256">, sha256: Sha256): string {
  const content: Json = JSON.parse(JSON.stringify({ ...prompt, sha256: undefined }));
  return sha256(canonicalJson(content));
}
