/** What a load generator saw of one request, in the words that engines have for it. */
import type { JobSpec } from "../../shared/benchmark/plan.js";
import type { Finish } from "../../shared/benchmark/record.js";
import type { EngineDone } from "../engines/engine.js";
import { networkFailure } from "../engines/http.js";
import { FINISH, servedAs } from "../engines/openai-chat.js";
import { serverError } from "../engines/server-errors.js";
import type { RequestFailure, RequestSeen } from "../load/messages.js";

export function answerOf(seen: RequestSeen, asked: string): EngineDone {
  const finish: Finish = FINISH[seen.finish ?? ""] ?? "stop";
  const { usage } = seen;
  return {
    ...{ kind: "done", tNs: seen.endNs, finish, text: "", server: {} },
    refused: seen.refused === true || finish === "filter",
    tokens: usage === undefined ? { source: "none" } : { ...usage, source: "server" },
    flags: servedAs(asked, seen.servedAs ?? ""),
  };
}

export interface FailureText {
  status: "engine_error" | "timeout" | "oom";
  class: string;
  message: string;
}

export function failureText(
  failure: RequestFailure,
  job: Pick<JobSpec, "model" | "generation">,
): FailureText {
  const where = `${job.model.engine} model ${job.model.model}`;
  const engineError = (className: string, message: string): FailureText => ({
    ...{ status: "engine_error", class: className, message: `${where}: ${message}` },
  });
  const told = (status: number | undefined, text: string): FailureText => {
    const { kind, class: className, message } = serverError(where, status, jsonOr(text));
    return { status: kind === "oom" ? "oom" : "engine_error", class: className, message };
  };
  switch (failure.kind) {
    case "status":
      return told(failure.status, failure.body);
    case "told":
      return told(undefined, failure.error);
    case "network": {
      const known = networkFailure(failure.code);
      if (known) return engineError(known.class, `${known.text} (${failure.code})`);
      return engineError("request_failed", failure.message);
    }
    case "cut":
      return engineError("silent_end", "the answer ended with neither a finish reason nor [DONE]");
    case "garbage":
      return engineError("garbage", failure.message);
    case "timeout": {
      const message = `no complete answer within ${job.generation.timeoutS} s (engine_config.timeout)`;
      return { status: "timeout", class: "timeout", message };
    }
    case "unfinished":
      return {
        ...{ status: "timeout", class: "unfinished" },
        message: "it had not ended when the drain was over (load.drain_s)",
      };
  }
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
