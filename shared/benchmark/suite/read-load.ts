/** `load` of sai/v1, and what `run.mode` has to do with it. */
import { LOAD_KINDS, type LoadKind, MOST_REQUESTS, type Slo } from "../load/load-spec.js";
import type { Fields, NumberRange } from "./fields.js";
import type { RunSettings, SuiteLoad } from "./suite-types.js";

const RANGES: { readonly [kind in LoadKind]: NumberRange } = {
  concurrency: { min: 1, max: 4_096, integer: true },
  constant: { min: 0, max: 100_000, above: true },
  poisson: { min: 0, max: 100_000, above: true },
  sweep: { min: 0, max: 100_000, above: true },
  trace: { min: 0, max: 1_000, above: true },
};
const MEANS: { readonly [kind in LoadKind]: string } = {
  concurrency: "numbers of requests at once, such as [1, 8, 32]",
  constant: "requests a second, such as [1, 2, 4]",
  poisson: "requests a second, such as [1, 2, 4]",
  sweep: "requests a second, ascending, such as [1, 2, 4, 8]",
  trace: "how many times as fast as it was recorded, such as [1, 2]",
};
const LONGEST_S = 86_400;
const MOST_LEVELS = 50;
/** Requests sent and thrown away before a window, where the suite does not say. */
const WARMUP = 5;

/** Undefined when there is nothing to put under load, or what there is is wrong. */
export function readLoad(root: Fields, { mode, warmup }: RunSettings): SuiteLoad | undefined {
  const { findings } = root;
  const load = root.object("load");
  if (mode === "quality") {
    if (load)
      findings.error("load", "load is given, and run.mode does not ask for it", "run: {mode: load} or both");
    load?.accept(...load.keys());
    return undefined;
  }
  if (!load) {
    if (!root.has("load"))
      findings.error("load", `run.mode is ${mode}, and there is no load`, "load: {kind: …, values: […]}");
    return undefined;
  }
  const kind = load.oneOf("kind", LOAD_KINDS);
  if (!load.has("kind"))
    findings.error(load.path("kind"), "kind is missing", `one of ${LOAD_KINDS.join(", ")}`);
  const isOpen = kind !== "concurrency";
  const durationS = load.number("duration_s", { min: 0, max: LONGEST_S, above: true }) ?? 60;
  const drainS = load.number("drain_s", { min: 0, max: LONGEST_S }) ?? 30;
  const maxInflight = load.number("max_inflight", { min: 1, max: 65_536, integer: true }) ?? 1_024;
  if (!isOpen && load.has("max_inflight"))
    findings.error(load.path("max_inflight"), "requests at once are the level itself", "remove max_inflight");
  const cache = load.oneOf("prompt_cache", ["allow", "bust"] as const) ?? "allow";
  const seed = load.number("seed", { min: 0, max: 2 ** 31 - 1, integer: true }) ?? 0;
  const slo = readSlo(load);
  const values = kind && readValues(load, kind, durationS);
  load.close();
  if (kind === undefined || values === undefined) return undefined;
  return {
    ...{ kind, values, slo, seed, maxInflight, durationMs: durationS * 1000, drainMs: drainS * 1000 },
    ...{ bustsCache: cache === "bust", warmup: warmup ?? WARMUP },
  };
}

function readValues(load: Fields, kind: LoadKind, durationS: number): number[] | undefined {
  const { findings } = load;
  const field = load.path("values");
  if (!load.has("values")) {
    load.accept("values");
    if (kind === "trace") return [1];
    findings.error(field, "values is missing", MEANS[kind]);
    return undefined;
  }
  const values = load.numbers("values", RANGES[kind], MOST_LEVELS);
  if (values === undefined) return undefined;
  if (new Set(values).size < values.length) findings.error(field, "a level is there twice");
  if (kind === "sweep" && values.length < 2)
    findings.error(field, "a sweep has two levels at least", MEANS.sweep);
  if (kind === "sweep" && values.some((value, i) => i > 0 && value <= (values[i - 1] ?? 0)))
    findings.error(field, "the levels of a sweep ascend", MEANS.sweep);
  if (kind !== "concurrency" && kind !== "trace") checkRequests(load, values, durationS);
  return values;
}

function checkRequests(load: Fields, values: readonly number[], durationS: number): void {
  const { findings } = load;
  values.forEach((value, i) => {
    const requests = value * durationS;
    const field = `${load.path("values")}[${i}]`;
    if (requests > MOST_REQUESTS)
      findings.error(
        field,
        `${value}/s for ${durationS} s are ${Math.round(requests)} requests; the limit is ${MOST_REQUESTS}`,
        "lower the rate, or load.duration_s",
      );
    if (requests < 1)
      findings.error(
        field,
        `${value}/s for ${durationS} s are less than one request`,
        "raise the rate, or load.duration_s",
      );
  });
}

function readSlo(load: Fields): Slo {
  const slo = load.object("slo");
  const of = (key: string) => slo?.number(key, { min: 0, max: 1e9, above: true });
  const [ttftMs, tpotMs, e2eMs] = [of("ttft_ms"), of("tpot_ms"), of("e2e_ms")];
  slo?.close();
  return {
    ...(ttftMs !== undefined && { ttftMs }),
    ...(tpotMs !== undefined && { tpotMs }),
    ...(e2eMs !== undefined && { e2eMs }),
  };
}
