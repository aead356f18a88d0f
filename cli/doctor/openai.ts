/**
 * A short look at the OpenAI-compatible server of the configuration. OpenAI itself is not asked: without a key it would
 * refuse, and with one a check should not spend it.
 */
import { errorText } from "../../shared/runtime/errors.js";
import type { Check } from "./check.js";

const OPENAI_HOST = "api.openai.com";

/** Asks `GET <baseUrl>/models` of any other server; never throws, ends after `timeoutMs`. */
export async function checkOpenai(
  server: { baseUrl: string; apiKey?: string | undefined },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Check> {
  const { baseUrl, apiKey } = server;
  const said = (result: Check["result"], detail: string): Check => ({
    name: "engine openai",
    result,
    detail: `${baseUrl}: ${detail}`,
  });
  if (URL.canParse(baseUrl) && new URL(baseUrl).hostname === OPENAI_HOST) {
    return apiKey === undefined
      ? said("warn", "no API key; not asked")
      : said("ok", "API key set; not asked");
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    const response = await fetch(`${baseUrl.replace(/\/+$/, "")}/models`, { headers, signal: limit });
    if (!response.ok) {
      await response.body?.cancel();
      return said("warn", `answered ${response.status} when asked for its models`);
    }
    const ids = modelIds(await response.json());
    return said("ok", ids.length === 0 ? "answers, and names no models" : ids.join(", "));
  } catch (error) {
    return said("warn", limit.aborted ? "no answer in time" : errorText(error));
  }
}

/** The ids of `{data: [{id}]}`; none when the answer has another form. */
function modelIds(answer: unknown): string[] {
  if (typeof answer !== "object" || answer === null || !("data" in answer) || !Array.isArray(answer.data))
    return [];
  return answer.data.flatMap((model: unknown) =>
    typeof model === "object" && model !== null && "id" in model && typeof model.id === "string"
      ? [model.id]
      : [],
  );
}
