/**
 * One chat over HTTP, as cheaply as can be: the client's own callbacks, no promises and no streams between the socket and
 * the clock.
 */
import type { Dispatcher } from "undici";
import { Answer } from "./answer.js";
import type { Connections } from "./connections.js";
import type { RequestFailure, RequestSeen } from "./messages.js";

export interface Ended extends Omit<RequestSeen, "n" | "scheduledNs"> {}

const MAX_ERROR_BYTES = 16 * 1024;

/** Sends `body` now; `ended` is called exactly once, never within this call. The answer aborts it, with the reason. */
export function exchange(
  connections: Pick<Connections, "take" | "giveBack" | "drop">,
  request: { path: string; headers: { [name: string]: string }; body: string },
  nowNs: () => number,
  ended: (seen: Ended) => void,
): (why: RequestFailure) => void {
  const connection = connections.take();
  const answer = new Answer();
  let controller: Dispatcher.DispatchController | undefined;
  let failure: RequestFailure | undefined;
  let status = 0;
  let isStream = false;
  let text = "";
  let isOver = false;
  const over = (isWhole: boolean) => {
    if (isOver) return;
    isOver = true;
    const endNs = nowNs();
    // Not within the client's own callback: it has not done with this answer yet, and would not send another.
    process.nextTick(() => {
      if (isWhole) connections.giveBack(connection);
      else connections.drop(connection);
      const found = failure ?? answer.failure;
      ended({ sentNs, endNs, ...answer.seen, ...(found && { failure: found }) });
    });
  };
  const fail = (why: RequestFailure) => {
    if (isOver || failure) return;
    failure = why;
    controller?.abort(new Error(why.kind));
  };
  const sentNs = nowNs();
  connection.dispatch(
    { method: "POST", ...request },
    {
      onRequestStart(its) {
        controller = its;
        if (failure) its.abort(new Error(failure.kind));
      },
      onResponseStart(_, code, headers) {
        status = code;
        isStream = /event-stream/i.test(String(headers["content-type"] ?? ""));
      },
      onResponseData(_, piece) {
        const atNs = nowNs();
        if (status === 200 && isStream) {
          answer.take(piece, atNs);
          if (answer.failure) fail(answer.failure);
        } else if (text.length < MAX_ERROR_BYTES) text += piece.toString("utf8");
      },
      onResponseEnd() {
        if (status !== 200) failure ??= { kind: "status", status, body: text };
        else if (!isStream)
          failure ??= { kind: "garbage", message: `no event stream: ${JSON.stringify(text.slice(0, 200))}` };
        else answer.end(nowNs());
        over(true);
      },
      onResponseError(_, error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        failure ??= { kind: "network", code, message: error.message };
        over(false);
      },
    },
  );
  return fail;
}
