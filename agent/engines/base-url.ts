/** Which server a request goes to: the suite's `base_url` if it names one, else the operator's. */
import { EngineError, type EngineOptions } from "./engine.js";

export interface BaseUrl {
  /** Without a slash at the end. */
  url: string;
  /** Whether the operator configured it; only then may it see the operator's credentials. */
  configured: boolean;
}

/** Throws EngineError `bad_option` for anything but an http(s) URL without credentials, query or fragment. */
export function baseUrlOf(options: EngineOptions, configured: string | undefined): BaseUrl {
  const written = options["base_url"];
  if (written === undefined || written === null) {
    if (configured !== undefined) return { url: withoutSlash(configured), configured: true };
    throw new EngineError(
      "engine",
      "bad_option",
      "no base URL: configure one, or set engine_config.base_url",
    );
  }
  const bad = (why: string) =>
    new EngineError("engine", "bad_option", `engine_config.base_url ${JSON.stringify(written)}: ${why}`);
  if (typeof written !== "string" || !URL.canParse(written)) throw bad("is not a URL");
  const url = new URL(written);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw bad("must be http or https");
  if (url.username !== "" || url.password !== "") throw bad("must not carry credentials");
  if (url.search !== "" || url.hash !== "") throw bad("must not have a query or a fragment");
  const text = withoutSlash(written);
  return { url: text, configured: configured !== undefined && text === withoutSlash(configured) };
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, "");
