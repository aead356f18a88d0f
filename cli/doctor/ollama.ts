/** A short look at an Ollama server: its version, its models and which of them are loaded and see pictures. */
import { errorText } from "../../shared/runtime/errors.js";

export type OllamaLook =
  | { ok: true; version: string; models: string[]; loaded: string[] }
  | { ok: false; reason: string };

/** What the server has; never throws, ends after `timeoutMs` for all requests together. */
export async function listOllama(
  baseUrl: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<OllamaLook> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const version = await getJson<{ version?: string }>(`${baseUrl}/api/version`, limit);
    const tags = await getJson<NamedModels>(`${baseUrl}/api/tags`, limit);
    const running = await getJson<NamedModels>(`${baseUrl}/api/ps`, limit);
    return { ok: true, version: version.version ?? "unknown", models: names(tags), loaded: names(running) };
  } catch (error) {
    return { ok: false, reason: limit.aborted ? "no answer in time" : errorText(error) };
  }
}

/** True if the server says that the model takes pictures; false if it says nothing. */
export async function seesPictures(
  baseUrl: string,
  model: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const init = { method: "POST", body: JSON.stringify({ model }), signal: limit };
    const response = await fetch(`${baseUrl}/api/show`, init);
    const shown = (await response.json()) as { capabilities?: unknown };
    return Array.isArray(shown.capabilities) && shown.capabilities.includes("vision");
  } catch {
    return false;
  }
}

interface NamedModels {
  models?: { name?: string }[];
}

const names = (list: NamedModels): string[] => (list.models ?? []).flatMap((m) => m.name ?? []).sort();

async function getJson<T>(url: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return (await response.json()) as T;
}
