/** Problem documents (RFC 9457) for everything that is not a plain answer; never a stack. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";

const TITLES: { [status: number]: string } = {
  400: "Bad Request",
  404: "Not Found",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  500: "Internal Server Error",
};

/** Makes a server answer unknown routes and errors as application/problem+json. */
export function addProblems(app: FastifyInstance, logger: Logger): void {
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0] ?? "";
    const hint = "this server has GET /livez, /readyz, /health and, unless switched off, /metrics";
    return problem(reply, 404, "not_found", `there is no ${request.method} ${path}`, hint);
  });
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error);
    if (status < 500) return problem(reply, status, "invalid_argument", errorText(error), "");
    logger.error({ err: error, request_id: request.id }, "request failed");
    return problem(
      reply,
      500,
      "internal",
      "the request failed",
      `the log has the reason under ${request.id}`,
    );
  });
}

function problem(reply: FastifyReply, status: number, code: string, detail: string, hint: string) {
  const title = TITLES[status] ?? "Error";
  return reply
    .code(status)
    .type("application/problem+json")
    .send({ type: "about:blank", title, status, detail, code, ...(hint === "" ? {} : { hint }) });
}

function statusOf(error: unknown): number {
  const given = typeof error === "object" && error !== null && "statusCode" in error ? error.statusCode : 500;
  return typeof given === "number" && given >= 400 && given < 600 ? given : 500;
}
