/**
 * How this program was started, so that hints can be typed as they stand: on a clone there is no `sai` in the path, and
 * whoever started it by `npm run` has to go on so.
 */
type Env = Readonly<Record<string, string | undefined>>;

/** `npm run sai --` for a script of this package run by npm, else `sai`. */
function programName(env: Env): string {
  const script = env["npm_lifecycle_event"];
  const ours = env["npm_package_name"] === "sai-benchmark";
  return ours && script !== undefined && script !== "npx" ? "npm run sai --" : "sai";
}

/** The text with each `sai COMMAND` in it as it is to be typed here. */
export const asTyped = (env: Env, text: string): string =>
  text.replace(COMMAND, (_, before: string) => `${before}${programName(env)} `);

const COMMAND =
  /(^|[\s`(])sai (?=(?:demo|dev|init|validate|apply|run|campaign|result|node|admin|doctor|version|coordinator|agent|--help)\b)/g;
