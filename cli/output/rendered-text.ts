/** A message as an engine would get it, for people to read before they spend hours on it. */
import type { RenderedSample } from "../../shared/suites/prepare-types.js";
import type { Paint } from "./color.js";

/** A heading with where the message belongs, then its parts. */
export function renderedLines(message: RenderedSample, paint: Paint): string[] {
  const { model, prompt, dataset, item } = message;
  const part = (name: string, text: string) =>
    text === "" ? [] : [paint(`${name}:`, "cyan"), ...text.split("\n").map((line) => `  ${line}`)];
  return [
    "",
    paint(`── ${[model, prompt, dataset, item].join(" · ")}`, "bold"),
    ...part("system", message.system),
    ...part("user", message.user),
    ...part("images", message.images.join("\n")),
    ...part("expected", message.target),
  ];
}
